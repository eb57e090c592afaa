"""The process of `raylogue logs` on a cluster: a small task on each node reads the log files there."""

import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import ray
import typer
from ray.exceptions import GetTimeoutError, RayError
from rich.console import Console
from rich.text import Text

from deployments.cli.errors import CommandFailed
from deployments.cli.log_lines import About, LogLine, SessionFiles, merge, newest, render, select_lines
from deployments.local.errors import SESSIONS, error_line
from deployments.rollout.driver import NoCluster, driver, live_nodes, start_on

NODE_SECONDS = 60.0
"""How long a node may take to start a process and to read its files."""
POLL_SECONDS = 2.0
MAX_NODE_BYTES = 4 * 1024**2
"""So much of its lines a node hands over at a time."""

Positions = dict[int, int]


class Part(NamedTuple):
    """What a node has found: the newest lines, whether older ones were left out, and how far it has read."""

    lines: list[LogLine]
    is_cut: bool
    positions: Positions


class NodeFiles:
    """The log files of all nodes of the cluster whose driver this process is; it says once what is missing."""

    def __init__(self, about: About, console: Console) -> None:
        self._about = about
        self._console = console
        self._positions: dict[str, Positions] = {}
        self._warned: set[str] = set()

    def read(self) -> list[LogLine]:
        """The lines since the last call, of all nodes, oldest first."""
        nodes = {address: node for node, address in live_nodes().items()}  # nodes of one machine have the same files
        asked = {
            address: start_on(node, read_part, self._about, self._positions.get(address, {}), runtime_env={})
            for address, node in nodes.items()
        }
        parts = {address: self._answer(address, reference) for address, reference in asked.items()}
        return merge({address: part.lines if part else () for address, part in parts.items()})

    def _answer(self, address: str, reference: Any) -> Part | None:  # noqa: ANN401 - a reference to what the task returns
        try:
            part: Part = ray.get(reference, timeout=NODE_SECONDS)
        except GetTimeoutError:
            self._warn(f"{address} has not answered within {NODE_SECONDS:.0f} seconds: its lines are missing")
            return None
        except RayError as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            self._warn(f"{address} could not be asked, its lines are missing: {reason}")
            return None
        self._positions[address] = part.positions
        if part.is_cut:
            self._warn(f"{address} has more: these are the newest {MAX_NODE_BYTES // 1024**2} MiB of its lines")
        return part

    def _warn(self, text: str) -> None:
        """Once for each text."""
        if text not in self._warned:
            self._warned.add(text)
            self._console.print(Text.assemble(("raylogue:", "yellow"), f" {text}"), soft_wrap=True)


def read_part(about: About, positions: Mapping[int, int]) -> Part:
    """What the files of this machine say about it behind these positions; it runs as a task."""
    files = SessionFiles(SESSIONS, positions)
    lines = select_lines(files.read(), about)
    kept = newest(lines, MAX_NODE_BYTES)
    return Part(kept, len(kept) < len(lines), files.positions)


def main(address: str, conversation_id: str, turn: str, follow: str, sub_agents: str) -> int:
    """The exit code; without `turn` all turns are meant, with `follow` it goes on until Ctrl-C."""
    console = Console(stderr=True)
    found = False
    try:
        with driver(address):
            about = About(conversation_id, int(turn) if turn else None, bool(sub_agents))
            files = NodeFiles(about, console)
            for line in _read(files, bool(follow)):
                found = True
                typer.echo(render(line))
    except NoCluster as error:
        console.print(error_line(CommandFailed(f"{error}, or read one machine: --address local")), soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return 0
    if not found:
        nothing = CommandFailed(f"{conversation_id} has no line in the logs of the cluster's nodes")
        console.print(error_line(nothing), soft_wrap=True)
    return 0 if found else 1


def _read(files: NodeFiles, follow: bool) -> Iterator[LogLine]:
    """The lines so far, then each line that follows."""
    yield from files.read()
    while follow:
        time.sleep(POLL_SECONDS)
        yield from files.read()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

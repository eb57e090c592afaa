"""Further nodes for a running service: raylets on this machine with the environment of the service's own one."""

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil

from benchmarks.running import running, wait_for
from benchmarks.subjects import Subject

CONTROL_PLANE = re.compile(r"--gcs-address=(\S+)")
RAYLET = Path(__file__).with_name("raylet.py")
OBJECT_STORE_BYTES = 80 * 1024**2
PREFIXES = ("RAY_", "RAYLOGUE_", "ANTHROPIC_")


@contextmanager
def joined(subject: Subject, count: int) -> Iterator[Subject]:
    """The subject with `count` more nodes of a core each; what they use counts for the subject."""
    command, settings = start_command(_raylets(subject.roots)[0])
    with ExitStack() as stack:
        nodes = [stack.enter_context(running(command, settings)) for _ in range(count)]
        for node in nodes:
            wait_for(node, partial(_runs, node.pid))
        yield replace(subject, service=replace(subject.service, roots=[*subject.roots, *(node.pid for node in nodes)]))


def start_command(raylet: psutil.Process) -> tuple[list[str], dict[str, str]]:
    """The command that starts a node with one core beside that raylet, and its environment."""
    found = CONTROL_PLANE.search(" ".join(raylet.cmdline()))
    assert found is not None, "the raylet's command line has no address of the control plane"
    settings = {name: value for name, value in raylet.environ().items() if name.startswith(PREFIXES)}
    command = [
        *(sys.executable, str(RAYLET), "start", "--block", "--address", found[1], "--num-cpus", "1"),
        *("--node-ip-address", "127.0.0.1", "--object-store-memory", str(OBJECT_STORE_BYTES)),
    ]
    return command, settings


def _runs(root: int) -> str | None:
    return "it runs" if _raylets([root]) else None


def _raylets(roots: Sequence[int]) -> list[psutil.Process]:
    children = (child for root in roots for child in psutil.Process(root).children(recursive=True))
    return [child for child in children if child.name() == "raylet"]

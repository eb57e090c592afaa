"""Further nodes for a running service: raylets on this machine, which know what the service's own one knows."""

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial

import psutil

from benchmarks.running import running, wait_for
from benchmarks.subjects import Subject

CONTROL_PLANE = re.compile(r"--gcs-address=(\S+)")
OBJECT_STORE_BYTES = 80 * 1024**2
OF_RAY = ("RAY_", "RAYLOGUE_", "ANTHROPIC_")


@contextmanager
def joined(subject: Subject, count: int) -> Iterator[Subject]:
    """The subject with `count` more nodes of a core each; what they use counts as its own."""
    first = _raylets(subject.roots)[0]
    found = CONTROL_PLANE.search(" ".join(first.cmdline()))
    assert found is not None, "the raylet does not say where the control plane is"
    settings = {name: value for name, value in first.environ().items() if name.startswith(OF_RAY)}
    # Here it is Ray's word for several nodes; their address is given, so that they stay on the loopback interface.
    settings["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "1"
    command = [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--address", found[1], "--num-cpus", "1"),
        *("--node-ip-address", "127.0.0.1", "--object-store-memory", str(OBJECT_STORE_BYTES)),
    ]
    with ExitStack() as stack:
        nodes = [stack.enter_context(running(command, settings)) for _ in range(count)]
        for node in nodes:
            wait_for(node, partial(_runs, node.pid))
        yield replace(subject, service=replace(subject.service, roots=[*subject.roots, *(node.pid for node in nodes)]))


def _runs(root: int) -> str | None:
    return "it runs" if _raylets([root]) else None


def _raylets(roots: Sequence[int]) -> list[psutil.Process]:
    children = (child for root in roots for child in psutil.Process(root).children(recursive=True))
    return [child for child in children if child.name() == "raylet"]

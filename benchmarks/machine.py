"""The facts about machine and software without which a figure means nothing."""

import os
import platform
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import psutil

PACKAGES = ("raylogue", "ray", "anthropic", "fastapi", "redis", "uvicorn", "uvloop")


def facts() -> Mapping[str, str]:
    """What was measured on, and with what."""
    return {
        "cores": f"{os.cpu_count()} ({_processor()})",
        "memory": f"{psutil.virtual_memory().total / 1024**3:.0f} GB",
        "system": f"Linux {platform.release()}",
        "Python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }


def load() -> float:
    """Processes that waited for a core in the last minute, on average: of others, if asked before the start."""
    return os.getloadavg()[0]


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()

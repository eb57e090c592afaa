"""Another commit's code beside this one's, for processes that are to run it."""

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.service import ROOT

AGENTS = "tests/chaos/agents.py"


class NoSuchCode(Exception):
    """There is no such commit, or it cannot take part."""


@contextmanager
def code_of(commit: str) -> Iterator[Path]:
    """A folder with all files of that commit. Raises `NoSuchCode`."""
    packed = subprocess.run(["git", "archive", commit], cwd=ROOT, check=False, capture_output=True)
    if packed.returncode:
        raise NoSuchCode(packed.stderr.decode().strip())
    with tempfile.TemporaryDirectory(prefix="raylogue-older-") as directory:
        with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as files:
            files.extractall(directory, filter="data")
        if not (Path(directory) / AGENTS).exists():
            raise NoSuchCode(f"{commit} has no {AGENTS}")
        yield Path(directory)

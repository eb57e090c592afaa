"""The code of another commit, for the nodes that run older code."""

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.service import ROOT

AGENTS = "tests/chaos/agents.py"


class UnusableCommit(Exception):
    """There is no such commit, or it has no agents for a run."""


@contextmanager
def code_of_commit(commit: str) -> Iterator[Path]:
    """A folder with all files of a commit. Raises `UnusableCommit`."""
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=False, capture_output=True)
    if archive.returncode:
        raise UnusableCommit(archive.stderr.decode().strip())
    with tempfile.TemporaryDirectory(prefix="raylogue-older-") as directory:
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(directory, filter="data")
        if not (Path(directory) / AGENTS).exists():
            raise UnusableCommit(f"{commit} has no {AGENTS}")
        yield Path(directory)

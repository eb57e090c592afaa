"""The code of another commit: for nodes that run older code, and to measure what a change has cost."""

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


class UnusableCommit(Exception):
    """There is no such commit, or it lacks what is needed of it."""


@contextmanager
def code_of_commit(commit: str, needed: str = "") -> Iterator[Path]:
    """A folder with all files of a commit, of which the one that is `needed` is there. Raises `UnusableCommit`."""
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=False, capture_output=True)
    if archive.returncode:
        raise UnusableCommit(archive.stderr.decode().strip())
    with tempfile.TemporaryDirectory(prefix="raylogue-older-") as directory:
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(directory, filter="data")
        if not (Path(directory) / needed).exists():
            raise UnusableCommit(f"{commit} has no {needed}")
        yield Path(directory)

"""The files of the repository, as the house's rules look at them."""

import ast
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("store", "agents", "deployments")
NOT_OURS = {".git", ".venv", ".raylogue", ".hypothesis", "__pycache__", "build", "dist", "cluster.env"}


def files(*suffixes: str) -> Iterator[Path]:
    """Every file that belongs to the repository; with suffixes, those that end so."""
    for directory, folders, names in os.walk(ROOT):
        folders[:] = [folder for folder in folders if folder not in NOT_OURS and not folder.endswith("_cache")]
        for file in sorted(names):
            if file not in NOT_OURS and (not suffixes or file.endswith(suffixes)):
                yield Path(directory, file)


def modules(*packages: str) -> Iterator[Path]:
    """Every Python file of these packages."""
    for package in packages:
        yield from sorted((ROOT / package).rglob("*.py"))


def parsed(module: Path) -> ast.Module:
    """The module's syntax tree."""
    return ast.parse(module.read_text(), filename=str(module))


def name(path: Path) -> str:
    """The path as people write it."""
    return path.relative_to(ROOT).as_posix()

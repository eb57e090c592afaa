"""Which files the operator's agents are made of: their module, and the modules next to it that it imports."""

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from agents.syntax import parse_module

OUR_PACKAGES = ("agents", "deployments", "store")
INSTALLED = frozenset({"site-packages", "dist-packages"})


def files_of(module: str) -> list[Path]:
    """The sources of a module, of all of a package, and of what they import from the folder where they are.

    That folder is an entry of Python's path; where packages are installed, what is beside the own one does not count.
    Nothing is executed, and a file that cannot be understood imports nothing.
    """
    top = module.partition(".")[0]
    root = _folder_of(top)
    if root is None:
        return []
    found = set(_locate(module, root, top))
    for package in [file.parent for file in found if file == root.joinpath(*module.split("."), "__init__.py")]:
        found.update(package.rglob("*.py"))
    waiting = list(found)
    while waiting:
        file = waiting.pop()
        further = {path for name in _imports(file, root) for path in _locate(name, root, top)}
        waiting.extend(further - found)
        found |= further
    return sorted(found)


def _folder_of(top: str) -> Path | None:
    """The folder from which a module, or a package without a point in its name, is imported."""
    spec = find_spec(top)
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).absolute().parent
    return Path(spec.origin).absolute().parent if spec.origin and Path(spec.origin).is_file() else None


def _imports(file: Path, root: Path) -> Iterator[str]:
    """The full names of all that the file may import; some of them may be no modules."""
    try:
        tree = parse_module(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    package = file.relative_to(root).parent.parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            name = ".".join((*above, *filter(None, [node.module])))
            yield name
            yield from (f"{name}.{alias.name}" for alias in node.names)


def _locate(name: str, root: Path, top: str) -> list[Path]:
    """The files of a module below the folder, with those of the packages that it is in."""
    first = name.partition(".")[0]
    if first in OUR_PACKAGES or (first != top and INSTALLED & set(root.parts)):
        return []
    if not all(map(str.isidentifier, name.split("."))):
        return []
    place = root.joinpath(*name.split("."))
    own = [file for file in (place.with_name(f"{place.name}.py"), place / "__init__.py") if file.is_file()]
    return [*own[:1], *_packages_above(name, root)]


def _packages_above(name: str, root: Path) -> list[Path]:
    parents = [root.joinpath(*name.split(".")[:count], "__init__.py") for count in range(1, name.count(".") + 1)]
    return [file for file in parents if file.is_file()]

"""The rules for a path inside a file system: relative, made of parts, printable."""

import unicodedata

from store.errors import BadPath

MAX_PATH_BYTES = 512
"""In UTF-8."""

UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")


def check_path(path: str) -> None:
    """Raises BadPath for a path that is not of the form `a/b.txt`."""
    problem = _problem(path)
    if problem is not None:
        raise BadPath(path, problem)


def _problem(path: str) -> str | None:
    if not path:
        return "it is empty"
    if any(unicodedata.category(character) in UNPRINTABLE for character in path):
        return "it has a control character"
    if len(path.encode()) > MAX_PATH_BYTES:
        return f"it is longer than {MAX_PATH_BYTES} bytes"
    if "\\" in path:
        return "it has a backslash; parts are separated by /"
    if path.startswith("/"):
        return "it begins with /; paths are relative"
    parts = path.split("/")
    if "" in parts:
        return "it has an empty part"
    if "." in parts or ".." in parts:
        return "it has a part . or .."
    return None

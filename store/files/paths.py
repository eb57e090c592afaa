"""What a path inside a file system may look like: relative, in parts, printable."""

import unicodedata

from store.errors import BadPath

LONGEST_PATH = 512
"""In bytes of UTF-8."""

UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")


def check_path(path: str) -> None:
    """Raises BadPath for whatever is not of the form `a/b.txt`."""
    problem = _problem(path)
    if problem is not None:
        raise BadPath(path, problem)


def _problem(path: str) -> str | None:
    if not path:
        return "it is empty"
    if any(unicodedata.category(character) in UNPRINTABLE for character in path):
        return "it has a control character"
    if len(path.encode()) > LONGEST_PATH:
        return f"it is longer than {LONGEST_PATH} bytes"
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

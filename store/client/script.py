"""The Lua scripts, each one a file in `scripts/` whose header lists its keys and arguments."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "scripts"


@dataclass(frozen=True, slots=True)
class Script:
    """A script's text and the digest under which a server remembers it."""

    name: str
    text: str
    sha: str


def _load(name: str) -> Script:
    lines = (FOLDER / f"{name}.lua").read_text(encoding="utf-8").splitlines()
    # Servers keep every script they have seen in memory; the header is for people.
    text = "\n".join(line for line in lines if line and not line.startswith("--"))
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


ADOPT = _load("adopt")
APPEND = _load("append")
ARCHIVE = _load("archive")
CLAIM = _load("claim")
CREATE = _load("create")
DELETE = _load("delete")
DISOWN = _load("disown")
FILE_DELETE = _load("file_delete")
FILE_MOVE = _load("file_move")
FILE_READ = _load("file_read")
FILE_WRITE = _load("file_write")
KNOWN = _load("known")
MODEL_CALL = _load("model_call")
PAGE = _load("page")
PUBLISH = _load("publish")
REGISTER = _load("register")
RENAME = _load("rename")
USAGE = _load("usage")

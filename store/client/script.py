"""The Lua scripts, each one a file in `scripts/` whose header lists its keys and arguments."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "scripts"

Argument = str | bytes | int


@dataclass(frozen=True, slots=True)
class LuaScript:
    """A script's text, and the digest by which a server finds it once it has run it."""

    name: str
    text: str
    sha: str


def pairs(flat: Sequence[bytes]) -> dict[bytes, bytes]:
    """A hash as scripts return it: field, value, field, value."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _load(name: str) -> LuaScript:
    lines = (FOLDER / f"{name}.lua").read_text(encoding="utf-8").splitlines()
    # A server keeps in memory every script that it has run; the header is only for people.
    text = "\n".join(line for line in lines if line and not line.startswith("--"))
    return LuaScript(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


ADD_CHILD = _load("add_child")
APPEND = _load("append")
CLAIM = _load("claim")
CREATE = _load("create")
DELETE = _load("delete")
FILE_DELETE = _load("file_delete")
FILE_MOVE = _load("file_move")
FILE_READ = _load("file_read")
FILE_WRITE = _load("file_write")
FIND_CLIENT_ID = _load("find_client_id")
LEAVE = _load("leave")
PUBLISH = _load("publish")
READ_PAGE = _load("read_page")
RECORD_MODEL_CALL = _load("record_model_call")
RECORD_USAGE = _load("record_usage")
REGISTER_CODE_VERSION = _load("register_code_version")
REMOVE_CHILD = _load("remove_child")
SET_TITLE = _load("set_title")
TRIM_ARCHIVED = _load("trim_archived")

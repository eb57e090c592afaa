"""The Lua scripts, each one a file in `scripts/` whose header lists its keys and arguments."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "scripts"
PARTS = FOLDER / "parts"
"""Functions that several scripts share, each in a file; a script that calls one has it in front."""

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
    text = _text(FOLDER / f"{name}.lua")
    parts = (part for part in sorted(PARTS.glob("*.lua")) if f"{part.stem}(" in text)
    text = "\n".join([*map(_text, parts), text])
    return LuaScript(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def _text(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    # A server keeps in memory every script that it has run; the header is only for people.
    return "\n".join(line for line in lines if line and not line.startswith("--"))


ADD_CHILD = _load("add_child")
ADD_JOB = _load("add_job")
ADD_TO_PROJECT = _load("add_to_project")
ADMIT = _load("admit")
APPEND = _load("append")
APPEND_AUDIT = _load("append_audit")
CHANGE_BATCH = _load("change_batch")
CHANGE_JOB = _load("change_job")
CLAIM = _load("claim")
CLOSE_SEND_SLOTS = _load("close_send_slots")
COMMIT_CHAT = _load("commit_chat")
COMMIT_COPY = _load("commit_copy")
COMMIT_SCHEDULE = _load("commit_schedule")
COPY_FILE = _load("copy_file")
COPY_RECORDS = _load("copy_records")
CREATE = _load("create")
DECLARE_CLIENT_TOOLS = _load("declare_client_tools")
DELETE = _load("delete")
DELETE_SCHEDULE = _load("delete_schedule")
FEED_ACKNOWLEDGE = _load("feed_acknowledge")
FEED_DROP = _load("feed_drop")
FEED_REGISTER = _load("feed_register")
FEED_SET_ASIDE = _load("feed_set_aside")
FILE_DELETE = _load("file_delete")
FILE_MOVE = _load("file_move")
FILE_READ = _load("file_read")
FILE_WRITE = _load("file_write")
FIND_CLIENT_ID = _load("find_client_id")
HAND_OVER_PROJECT = _load("hand_over_project")
HOLD_LEASE = _load("hold_lease")
KEEP_MEMORY = _load("keep_memory")
KEEP_TEXT = _load("keep_text")
LEAVE = _load("leave")
LINE_UP = _load("line_up")
LIST_ENTRIES = _load("list_entries")
LIST_SCHEDULE = _load("list_schedule")
NOTE_BATCH_ROWS = _load("note_batch_rows")
OPEN_PERSONAL_FEED = _load("open_personal_feed")
PUBLISH = _load("publish")
READ_PAGE = _load("read_page")
RECORD_MODEL_CALL = _load("record_model_call")
RECORD_USAGE = _load("record_usage")
REGISTER_CODE_VERSION = _load("register_code_version")
REMOVE_CHILD = _load("remove_child")
REMOVE_ENTRIES = _load("remove_entries")
REMOVE_FROM_PROJECT = _load("remove_from_project")
REPAIR_CHILD = _load("repair_child")
REPAIR_CLIENT_IDS = _load("repair_client_ids")
REPAIR_LIST = _load("repair_list")
REPAIR_STATE = _load("repair_state")
REOPEN_BATCH_ROWS = _load("reopen_batch_rows")
SET_ARCHIVED = _load("set_archived")
SET_MEMBER = _load("set_member")
SET_TITLE = _load("set_title")
TAKE_SEND_SLOT = _load("take_send_slot")
TELL_PERSON = _load("tell_person")
TRIM_ARCHIVED = _load("trim_archived")
USE_PROJECT = _load("use_project")

ALL = tuple(value for value in list(globals().values()) if isinstance(value, LuaScript))

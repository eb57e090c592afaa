"""The cursor of a list: opaque to clients, and checked when it comes back."""

import base64
import re
from typing import Final

import orjson

from store.registries.lists import Position, Sort

VERSION: Final = 1
MAX_CHARACTERS: Final = 32_000
"""A title of 200 characters can be ordered by eighteen times as many, of three bytes each."""
TIME: Final = re.compile(r"[0-9]{1,15}")
"""Milliseconds since 1970."""


class BadCursor(ValueError):
    """What came back is not what was given out."""


def encode_cursor(position: Position, sort: Sort, *, descending: bool) -> str:
    """The cursor of the page that begins after this position."""
    content = orjson.dumps([VERSION, sort, descending, position.key, position.id])
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def decode_cursor(cursor: str, sort: Sort, *, descending: bool) -> Position:
    """Raises BadCursor for a text that is no cursor, and for a cursor of another order."""
    match _content(cursor):
        case [1, str(other), bool(down), str(key), str(conversation_id)]:
            if (other, down) != (sort, descending):
                raise BadCursor("it is of a list in another order")
            if sort != "title" and not TIME.fullmatch(key):
                raise BadCursor("it is no cursor of ours")
            if "\0" in key + conversation_id:
                raise BadCursor("it is no cursor of ours")
            return Position(key, conversation_id)
    raise BadCursor("it is no cursor of ours")


def _content(cursor: str) -> object:
    if len(cursor) > MAX_CHARACTERS:
        return None
    try:
        content = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return orjson.loads(content)
    except ValueError:
        return None

"""A row of the table of Redis keys."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A row of the table; `lifetime` says when the key goes away, or why it never does, `expires` whether by time.

    `expires` is None for a key that does so in a part of its life only; `type` is "any" for keys of a library.
    """

    name: str
    pattern: str
    type: str
    lifetime: str
    expires: bool | None = False

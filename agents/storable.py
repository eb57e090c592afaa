"""Whether the log can hold a value. Every value from outside is asked that where it is decided on, not at the append.

What is refused there fails one call, one message or one turn, with a sentence. At the append it would end the
incarnation, and the next one would come to the same place.
"""

import orjson

MAX_LEVELS = 100
"""How deep a value may nest. The record, the notice and the API's answers put some more levels around it."""

_LEVELS_WRITTEN = 254
"""How deep the JSON writer goes; a test compares it with the writer."""


_LEVELS_AROUND = 10
"""How many levels our own objects put around such a value."""


def storage_problem(value: object) -> str | None:
    """Why the log cannot hold the value, as the end of a sentence; None if it can.

    Bytes, sets, numbers of more than 64 bits, keys that are no text and half surrogates are no JSON.
    """
    return _problem(value, MAX_LEVELS)


def record_problem(record: object) -> str | None:
    """The same for an object of ours, such as an input of the turn machine, and all the values in it."""
    return _problem(record, MAX_LEVELS + _LEVELS_AROUND)


def storable_text(text: object) -> str:
    """The text as it can be stored: half surrogates become question marks. The same object if there are none."""
    words = str(text)
    try:
        words.encode()
    except UnicodeEncodeError:
        return words.encode(errors="replace").decode()
    return words


def _problem(value: object, levels: int) -> str | None:
    framed = value
    for _ in range(_LEVELS_WRITTEN - levels):
        framed = [framed]
    try:
        orjson.dumps(framed)
    except (TypeError, RecursionError) as error:
        problem = str(error)
        if problem == "Recursion limit reached":
            return f"it nests more than {MAX_LEVELS} levels deep"
        return f"{problem[:1].lower()}{problem[1:]}"
    return None

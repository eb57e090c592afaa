"""Errors keep their type, their arguments and their sentence across a process border."""

import pickle

import pytest

from store import ConversationExists, ConversationNotFound, Fenced, StoreError, StoreUnavailable
from store.embedded import EmbeddedServerError
from store.errors import (
    ArchiveDamaged,
    ArchiveUnavailable,
    BadPath,
    Conflict,
    DuplicateMessage,
    FileConflict,
    FileExists,
    FileMissing,
    FileTooLarge,
    MissedEvents,
    NewerFormat,
    Overflow,
    Reconnected,
    ScopeFull,
    TooManyMemories,
)

ERRORS = [
    ArchiveDamaged("c", "000000000001-000000000002-0123456789abcdef.jsonl.gz", "it is missing"),
    ArchiveUnavailable("it hangs"),
    BadPath("../a", "it has a part . or .."),
    Conflict("c", 3, 4),
    ConversationExists("c"),
    ConversationNotFound("c"),
    DuplicateMessage("c", "client-1", 7),
    EmbeddedServerError("port 1 is taken"),
    Fenced("c", 1, 2),
    NewerFormat("c", 3),
    FileConflict("a.txt", 1, 2),
    FileExists("a.txt"),
    FileMissing("a.txt"),
    FileTooLarge("a.txt", 11, 10),
    MissedEvents("c"),
    Overflow("c"),
    Reconnected("c"),
    ScopeFull("a.txt", 1000, "files"),
    StoreUnavailable("ConnectionError: refused"),
    TooManyMemories(1000),
]


def every_error_class(base: type[StoreError] = StoreError) -> set[type[StoreError]]:
    """All classes of the store below StoreError: other packages may have some as well, in the same process."""
    found = {sub for child in base.__subclasses__() for sub in {child, *every_error_class(child)}}
    return {error for error in found if error.__module__.startswith("store.")}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling(error: StoreError) -> None:
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert vars(copy) == vars(error)
    assert copy.args == error.args
    assert str(copy) == str(error)


def test_every_error_is_pickled_above() -> None:
    assert {type(error) for error in ERRORS} == every_error_class()

"""Everything that can go wrong in the store, one class for each cause; all of them survive pickling."""


class StoreError(Exception):
    """Base of all errors of this package."""


class ConversationNotFound(StoreError):
    """The caller names a conversation that was never created or has been deleted."""

    def __init__(self, conversation_id: str) -> None:
        super().__init__(conversation_id)
        self.conversation_id = conversation_id

    def __str__(self) -> str:
        return f"conversation {self.conversation_id!r} does not exist"


class ConversationExists(StoreError):
    """The caller wants to create a conversation under an id that is taken."""

    def __init__(self, conversation_id: str) -> None:
        super().__init__(conversation_id)
        self.conversation_id = conversation_id

    def __str__(self) -> str:
        return f"conversation {self.conversation_id!r} exists already"


class Fenced(StoreError):
    """The writer's epoch is over: a newer incarnation owns the conversation, so this one must stop at once."""

    def __init__(self, conversation_id: str, epoch: int, current_epoch: int) -> None:
        super().__init__(conversation_id, epoch, current_epoch)
        self.conversation_id = conversation_id
        self.epoch = epoch
        self.current_epoch = current_epoch

    def __str__(self) -> str:
        return f"conversation {self.conversation_id!r}: epoch {self.epoch} was fenced by {self.current_epoch}"


class NewerFormat(StoreError):
    """A writer with a newer `format` of records has had the conversation; code that cannot read it must not write."""

    def __init__(self, conversation_id: str, format: int) -> None:  # noqa: A002
        super().__init__(conversation_id, format)
        self.conversation_id = conversation_id
        self.format = format

    def __str__(self) -> str:
        return f"conversation {self.conversation_id!r} has been written by newer code (format {self.format})"


class Conflict(StoreError):
    """The log ends at `last_seq`, not where the writer expected."""

    def __init__(self, conversation_id: str, expected_last_seq: int, last_seq: int) -> None:
        super().__init__(conversation_id, expected_last_seq, last_seq)
        self.conversation_id = conversation_id
        self.expected_last_seq = expected_last_seq
        self.last_seq = last_seq

    def __str__(self) -> str:
        return f"conversation {self.conversation_id!r} ends at {self.last_seq}, not {self.expected_last_seq}"


class DuplicateMessage(StoreError):
    """A message with a client id of the batch is in the log already, at `seq`; nothing was written now."""

    def __init__(self, conversation_id: str, client_id: str, seq: int) -> None:
        super().__init__(conversation_id, client_id, seq)
        self.conversation_id = conversation_id
        self.client_id = client_id
        self.seq = seq

    def __str__(self) -> str:
        return f"conversation {self.conversation_id!r} has message {self.client_id!r} at {self.seq} already"


class StoreUnavailable(StoreError):
    """Redis did not answer in time. A read can be repeated; an append may or may not be in the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the store is unavailable: {self.reason}"


class ArchiveUnavailable(StoreError):
    """The archive did not answer, or is not configured any more; its records can be read later."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the archive is unavailable: {self.reason}"


class ArchiveDamaged(StoreError):
    """A part of a conversation's log is not in the archive as it was written; nothing is returned in its place."""

    def __init__(self, conversation_id: str, segment: str, problem: str) -> None:
        super().__init__(conversation_id, segment, problem)
        self.conversation_id = conversation_id
        self.segment = segment
        self.problem = problem

    def __str__(self) -> str:
        return f"the archive of conversation {self.conversation_id!r} is damaged: {self.segment}: {self.problem}"


class FileMissing(StoreError):
    """The caller names a file (or directory) that does not exist, or not any more."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"there is no file {self.path!r}"


class FileExists(StoreError):
    """The file that the caller wants to create exists already, or a file is where a directory would have to be."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"{self.path!r} exists already"


class FileConflict(StoreError):
    """Another writer has changed the file: it has version `current`, not the one that the caller has read."""

    def __init__(self, path: str, expected: int, current: int) -> None:
        super().__init__(path, expected, current)
        self.path = path
        self.expected = expected
        self.current = current

    def __str__(self) -> str:
        return f"{self.path!r} has version {self.current}, not {self.expected}: read it again"


class FileTooLarge(StoreError):
    """The caller's file is larger than one file may be."""

    def __init__(self, path: str, size: int, limit: int) -> None:
        super().__init__(path, size, limit)
        self.path = path
        self.size = size
        self.limit = limit

    def __str__(self) -> str:
        return f"{self.path!r} would have {self.size} bytes; a file may have {self.limit}"


class ScopeFull(StoreError):
    """The file system holds as many files or bytes as it may; its owner can delete some."""

    def __init__(self, path: str, limit: int, unit: str) -> None:
        super().__init__(path, limit, unit)
        self.path = path
        self.limit = limit
        self.unit = unit

    def __str__(self) -> str:
        return f"no room for {self.path!r}: all files together may be {self.limit} {self.unit}"


class BadPath(StoreError):
    """The caller's path cannot be the path of a file."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.path!r} is not a path: {self.problem}"


class MissedEvents(StoreError):
    """A subscription has a gap: the reader takes a new snapshot and goes on reading the same subscription."""

    def __init__(self, conversation_id: str) -> None:
        super().__init__(conversation_id)
        self.conversation_id = conversation_id

    def __str__(self) -> str:
        return f"live events of conversation {self.conversation_id!r} were missed"


class Overflow(MissedEvents):
    """The reader was slower than the conversation, so its bounded queue was emptied."""


class Reconnected(MissedEvents):
    """The connection to Redis had been lost; it is back and the channel is subscribed again."""


class TooManyMemories(StoreError):
    """The person has as many as there may be."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.most = most

    def __str__(self) -> str:
        return f"there are {self.most} memories already"

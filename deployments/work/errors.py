"""What can be wrong with a job, in the sentences that people read."""


class JobError(Exception):
    """A job cannot be taken or changed."""


class UnknownJobType(JobError):
    """No code of this service does jobs of that type: the caller is at fault."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"there is no job type {self.name}"


class PayloadTooLarge(JobError):
    """A payload is larger than jobs may have: the caller is at fault. Both are in bytes."""

    def __init__(self, size: int, most: int) -> None:
        super().__init__(size, most)
        self.size = size
        self.most = most

    def __str__(self) -> str:
        return (
            f"a payload of {self.size} bytes has more than {self.most} bytes: name what is large, and keep it elsewhere"
        )


class JobFailed(Exception):
    """Raise it in a job that no further attempt can save; the sentence is shown to people."""

"""What a command may fail with: always one line for the person at the terminal."""


class CommandFailed(Exception):
    """The command cannot do what was asked; the text says why and what to do."""


class ConnectionBroke(CommandFailed):
    """The service was there, and whether it took the request is not known."""


class ServiceRefused(CommandFailed):
    """The service answered with a problem; `code` is the last word of its type.

    `retry_after` says after how many seconds it is worth another attempt, if it ever is.
    """

    def __init__(self, code: str, detail: str, retry_after: float | None = None) -> None:
        super().__init__(code, detail, retry_after)
        self.code = code
        self.detail = detail
        self.retry_after = retry_after

    @property
    def is_transient(self) -> bool:
        return self.retry_after is not None

    def __str__(self) -> str:
        return f"{self.detail} ({self.code})"

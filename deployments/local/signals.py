"""How the service's process is told to end: Ctrl-C, SIGTERM, or the terminal going away."""

import signal
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """Raised in the main thread, wherever it is, when the service shall end."""


def listen() -> None:
    """Raise Stopped at the first of these signals. Call again after code that sets handlers of its own."""
    for number in STOP_SIGNALS:
        signal.signal(number, _stop)


def _stop(_number: int, _frame: FrameType | None) -> None:
    # The way out is short and bounded: a second signal must not leave half of it undone.
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise Stopped

"""What keeps the local service from starting; the text names the cause and the way out, in one line."""

import tempfile
from pathlib import Path

from rich.text import Text

SESSIONS = Path(tempfile.gettempdir()) / "ray"
"""Where Ray itself writes."""
LOGS = SESSIONS / "session_latest" / "logs"


class CannotStart(Exception):
    """Shown to the operator as it is."""


def error_line(error: Exception) -> Text:
    """What a command prints before it ends with exit code 1. What an error quotes may look like markup, and is none."""
    return Text.assemble(("raylogue:", "red"), f" {error}")


def first_line(error: Exception) -> str:
    """The first line of what an error of another library says."""
    return str(error).partition("\n")[0]

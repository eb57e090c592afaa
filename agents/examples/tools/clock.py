"""An example of a tool that reads the world: the clock."""

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field

from agents.errors import ToolError
from agents.tools.decorator import tool


@tool(timeout=5.0)
def clock(
    timezone: Annotated[str, Field(description="An IANA name such as Europe/Berlin.", max_length=64)] = "UTC",
) -> dict[str, str]:
    """Tell the current date, time and weekday in a time zone."""
    try:
        now = datetime.now(ZoneInfo(timezone))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: a folder, such as "Europe"
        raise ToolError(f"Unknown time zone {timezone!r}; use an IANA name such as Europe/Berlin.") from error
    return {"timezone": timezone, "time": now.isoformat(timespec="seconds"), "weekday": f"{now:%A}"}

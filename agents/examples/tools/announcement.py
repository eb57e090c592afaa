"""An example of a tool that a person must approve first: an announcement, harmless by itself."""

from typing import Annotated

from pydantic import Field

from agents.tools.decorator import tool


@tool(approval="required", timeout=5.0)
def announce(
    text: Annotated[str, Field(description="What to announce, word by word.", min_length=1, max_length=2000)],
) -> dict[str, str]:
    """Announce a text to everybody; somebody has to approve it first."""
    return {"announced": text}

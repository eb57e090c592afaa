"""Examples of tools that a client executes: the page brings both, each after its person has agreed."""

from typing import Annotated

from pydantic import Field

from agents.tools.decorator import tool

Purpose = Annotated[str, Field(description="What it is for, in a short sentence; the person reads it.", max_length=200)]


@tool(executor="client")
def get_location(purpose: Purpose) -> None:
    """Find out where the person is: latitude, longitude and accuracy in metres."""


@tool(executor="client")
def pick_file(purpose: Purpose) -> None:
    """Let the person pick a file from their device, a text, a picture or a PDF, and read what is in it."""

"""The default agent: it talks, tells the time, calculates, remembers, and asks before it announces anything."""

from agents.agent import Agent
from agents.examples.tools import announce, calculator, clock, get_location, pick_file
from agents.middleware.compaction import Compaction
from agents.middleware.conversation_title import ConversationTitle
from agents.middleware.instructions import Instructions
from agents.middleware.memory import Memory
from agents.models import Model

PROMPT = """\
You are a helpful assistant. Answer briefly and in Markdown. Use the clock for the current time and the calculator for
arithmetic instead of guessing. An announcement is public, so a person confirms it first; accept a refusal.
"""


def assistant(model: Model) -> Agent:
    """An assistant on `model`; the same model finds titles and writes summaries."""
    return Agent(
        name="assistant",
        description="talks, tells the time, calculates, remembers",
        suggestions=("What time is it?", "What is 6*7?", "Announce: hello"),
        model=model,
        system_prompt=PROMPT,
        tools=(clock, calculator, announce, get_location, pick_file),
        middleware=(Instructions(), Memory(), ConversationTitle(), Compaction()),
    )

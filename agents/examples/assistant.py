"""The default agent: talks, tells the time, calculates, and asks before it announces anything."""

from agents.agent import Agent
from agents.models import Model
from agents.tools import announce, calculator, clock

PROMPT = """\
You are a helpful assistant. Answer briefly and in Markdown. Use the clock for the current time and the calculator for
arithmetic instead of guessing. An announcement is public, so a person confirms it first; accept a refusal.
"""


def assistant(model: Model) -> Agent:
    """An assistant on `model`."""
    return Agent(name="assistant", model=model, system_prompt=PROMPT, tools=(clock, calculator, announce))

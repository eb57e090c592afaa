"""What an answer must be before a turn may end with it: an object of the agent's class, or a certain tool's success."""

from collections.abc import Iterable
from dataclasses import replace

from pydantic import BaseModel, ValidationError

from agents.agent import Agent
from agents.errors import TurnStopped
from agents.middleware.pipeline.exchange import Reply
from agents.turn import Event
from agents.turn.events import AssistantMsg, Block

UNFINISHED = ("pause_turn", "refusal")
"""Reasons to stop after which nothing more is demanded of the answer."""

ATTEMPTS = 3
"""How often in a row an answer may miss the class before the turn fails."""


def demanded(reply: Reply, agent: Agent, events: Iterable[Event], turn: int) -> Reply:
    """The reply with its object, or with feedback when there is more to do. Raises `TurnStopped` after `ATTEMPTS`."""
    if reply.calls or reply.feedback or reply.stop_reason in UNFINISHED:
        return reply
    if agent.until_tool is not None:
        return replace(reply, feedback=_said(f"You are not done: finish by calling the tool {agent.until_tool}."))
    return _with_output(reply, agent.output, events, turn) if agent.output is not None else reply


def _with_output(reply: Reply, wanted: type[BaseModel], events: Iterable[Event], turn: int) -> Reply:
    text = "".join(str(block["text"]) for block in reply.content if block["type"] == "text").strip()
    if not text:
        return reply  # an empty answer is asked for again anyhow
    try:
        found = wanted.model_validate_json(text)
    except ValidationError as error:
        if _misses(events, turn) + 1 >= ATTEMPTS:
            raise TurnStopped("invalid_output", f"The model gave no valid {wanted.__name__}.") from error
        return replace(reply, feedback=_said(_objection(wanted, error)))
    return replace(reply, output=found.model_dump(mode="json"))


def _misses(events: Iterable[Event], turn: int) -> int:
    """The whole answers of this turn so far that were meant to be its end, and were not."""
    answers = (event for event in events if isinstance(event, AssistantMsg) and event.turn == turn)
    return sum(
        answer.status == "completed"
        and answer.output is None
        and all(block["type"] != "tool_call" for block in answer.content)
        for answer in answers
    )


def _objection(wanted: type[BaseModel], error: ValidationError) -> str:
    problems = "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'the answer'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_context=False, include_input=False)[:5]
    )
    return f"That is no valid {wanted.__name__} ({problems}). Answer again, with the JSON object alone."


def _said(text: str) -> list[Block]:
    return [{"type": "text", "text": text}]

"""What an answer must be before a turn may end with it: an object of the agent's class, or a certain tool's success."""

from collections.abc import Iterable
from dataclasses import replace

from pydantic import BaseModel, ValidationError

from agents.agent import Agent
from agents.errors import TurnStopped
from agents.middleware.pipeline.exchange import Reply
from agents.storable import storage_problem
from agents.turn import Event
from agents.turn.events import WINDOW_EXCEEDED, AssistantMsg, Block

EXEMPT_STOP_REASONS = ("pause_turn", "refusal", WINDOW_EXCEEDED)
"""After these nothing more is required of the answer."""

MAX_ATTEMPTS = 3
"""How often in a row an answer may fail the class before the turn fails."""

MAX_PROBLEMS = 5
"""How many of its mistakes the model is told at once."""


def require_output(reply: Reply, agent: Agent, events: Iterable[Event], turn: int) -> Reply:
    """The reply with its object, or with feedback if the agent asks for more. Raises `TurnStopped` in the end."""
    if reply.calls or reply.feedback or reply.stop_reason in EXEMPT_STOP_REASONS:
        return reply
    if agent.until_tool is not None:
        return replace(reply, feedback=_text(f"You are not done: finish by calling the tool {agent.until_tool}."))
    return _parse_output(reply, agent.output, events, turn) if agent.output is not None else reply


def _parse_output(reply: Reply, output: type[BaseModel], events: Iterable[Event], turn: int) -> Reply:
    text = "".join(str(block["text"]) for block in reply.content if block["type"] == "text").strip()
    if not text:
        return replace(reply, feedback=_text(f"Answer with the {output.__name__}, as a JSON object."))
    parsed: object = None
    try:
        parsed = output.model_validate_json(text).model_dump(mode="json")
        problems = storage_problem(parsed)
    except ValidationError as error:
        problems = _list_mistakes(error)
    if problems is None:
        return replace(reply, output=parsed)
    if _count_failures(events, turn) + 1 >= MAX_ATTEMPTS:
        raise TurnStopped("invalid_output", f"The model gave no valid {output.__name__}.")
    explanation = f"That is no valid {output.__name__} ({problems}). Answer again, with the JSON object alone."
    return replace(reply, feedback=_text(explanation))


def _count_failures(events: Iterable[Event], turn: int) -> int:
    """The complete answers of this turn so far that called no tool and gave no object."""
    answers = (event for event in events if isinstance(event, AssistantMsg) and event.turn == turn)
    return sum(
        answer.status == "completed"
        and answer.output is None
        and all(block["type"] != "tool_call" for block in answer.content)
        for answer in answers
    )


def _list_mistakes(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'the answer'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_context=False, include_input=False)[:MAX_PROBLEMS]
    )


def _text(text: str) -> list[Block]:
    return [{"type": "text", "text": text}]

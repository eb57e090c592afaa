"""One call of the model, from the projected context to the report for the machine; runs as a task of its own."""

from collections.abc import Awaitable, Callable, Container, Iterable
from contextlib import aclosing
from dataclasses import asdict

import structlog

from agents.agent import Agent
from agents.conversation.answer import Answer
from agents.conversation.context import project
from agents.conversation.proposals import propose
from agents.errors import ModelError
from agents.models import Completed, ModelRequest, TextDelta, ThinkingDelta
from agents.turn import Event, live
from agents.turn.inputs import ModelFailed, ModelFinished

log = structlog.get_logger(__name__)

Tell = Callable[[live.TextDelta | live.ThinkingDelta], None]


async def call_model(
    agent: Agent,
    answer: Answer,
    events: Iterable[Event],
    *,
    taken: Container[str],
    clock: Callable[[], int],
    started: Callable[[], Awaitable[object]],
    tell: Tell,
) -> ModelFinished | ModelFailed:
    """Stream the answer to the watchers and return how it ended; cancelling the task closes the connection."""
    try:
        completed = await _stream(agent, answer, events, started, tell)
        content, calls = propose(completed, answer.ref, agent, taken, clock())
    except ModelError as error:
        return _failed(answer, error.reason, error.message)
    except Exception:
        log.exception("model_call_failed", agent=agent.name, turn=answer.ref.turn)
        return _failed(answer, "internal", "The turn failed for an internal reason.")
    return ModelFinished(
        ref=answer.ref,
        message_id=answer.message_id,
        content=content,
        calls=calls,
        stop_reason=completed.stop_reason,
        usage=asdict(completed.usage),
        model=completed.model,
    )


async def _stream(
    agent: Agent, answer: Answer, events: Iterable[Event], started: Callable[[], Awaitable[object]], tell: Tell
) -> Completed:
    request = ModelRequest(
        system=agent.system_prompt,
        messages=project(events, answer.ref),
        tools=[tool.definition() for tool in agent.tools],
        max_tokens=agent.max_tokens,
    )
    begun = False
    async with aclosing(agent.model.stream(request)) as stream:
        async for event in stream:
            if not begun:
                begun = True
                await started()
            match event:
                case TextDelta(text):
                    tell(answer.add_text(text))
                case ThinkingDelta(text):
                    tell(answer.add_thinking(text))
                case Completed():
                    return event
    raise ModelError("stream_broken", "The model's answer ended before it was complete.")


def _failed(answer: Answer, reason: str, detail: str) -> ModelFailed:
    return ModelFailed(ref=answer.ref, reason=reason, detail=detail, partial=answer.partial())

"""ModelCalls: records exactly what was sent to the model and how the call ended, for a limited time."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson

from agents.errors import AgentDefinitionError, ModelError
from agents.middleware.pipeline.middleware import Middleware, StreamCall, overrides
from agents.middleware.pipeline.turn_context import TurnContext
from agents.models import Completed, ModelEvent, ModelRequest

if TYPE_CHECKING:
    from agents.agent import Agent

Outcome = dict[str, Any]

STOPPED: Outcome = {"error": {"reason": "stopped", "message": "The call was given up before its end."}}


class ModelCalls(Middleware):
    """Records each call: its turn and step, the request, how it ended and how long it took.

    It must be the last middleware that wraps the stream, so that the request is exactly what the model was given; keys
    and addresses belong to the model and are never in it. Entries live for `lifetime` seconds. They are written in the
    background: the turn does not wait for the store. An entry that cannot be written is lost, and that is logged. It
    restricts nothing, and outside of a sub-agent's middleware it would not see what is sent: so it is not inherited.
    """

    def __init__(self, lifetime: int = 7 * 86_400) -> None:
        self._lifetime = lifetime

    def init(self, agent: "Agent") -> None:
        """Raises AgentDefinitionError if middleware after it could still change what is sent."""
        if self._lifetime <= 0:
            raise AgentDefinitionError(agent.name, f"{self.name} needs a lifetime, in seconds")
        members = [member for group in agent.middleware for member in group.members]
        for member in members[members.index(self) + 1 :] if self in members else ():
            if overrides(member, "stream"):
                raise AgentDefinitionError(agent.name, f"{member.name} must come before {self.name}")

    async def stream(
        self, request: ModelRequest, call: StreamCall, context: TurnContext
    ) -> AsyncGenerator[ModelEvent, None]:
        began = context.services.clock()
        outcome = STOPPED
        try:
            async with aclosing(call(request)) as events:
                async for event in events:
                    if isinstance(event, Completed):
                        outcome = _outcome_of_answer(event)
                    yield event
        except ModelError as error:
            outcome = _outcome_of_error(error.reason, error.message)
            raise
        except Exception as error:
            outcome = _outcome_of_error("internal", type(error).__name__)
            raise
        finally:
            entry = {
                "at": began,
                "conversation_id": context.conversation_id,
                "turn": context.turn,
                "step": context.step,
                "principal": context.principal,
                "duration_ms": context.services.clock() - began,
                **outcome,
                "request": request,
            }
            context.background(self._record(entry, context))

    async def _record(self, entry: dict[str, Any], context: TurnContext) -> None:
        services = context.services
        data = orjson.dumps(entry)  # orjson serialises dataclasses
        await services.store.model_calls.record(
            context.conversation_id, data, lifetime=self._lifetime, now=services.clock()
        )


def _outcome_of_answer(answer: Completed) -> Outcome:
    usage = asdict(answer.usage)
    return {"answer": {"model": answer.model, "stop_reason": answer.stop_reason, "usage": usage}}


def _outcome_of_error(reason: str, message: str) -> Outcome:
    return {"error": {"reason": reason, "message": message}}

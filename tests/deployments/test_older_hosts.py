"""A cancel reaches actors with earlier code, whose method takes fewer arguments; only what they know is sent."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from agents.context import AgentContext
from agents.conversation import Receipt
from agents.turn.inputs import Cancel
from deployments.routing.older_hosts import cancel_turn
from tests.support.conversations import World

CONTEXT = AgentContext(traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
DONE = Receipt(2, 1)


class Method:
    """A method of an actor's handle: as with Ray's, a call with an argument that it has not is refused at once."""

    def __init__(self, function: Callable[..., Awaitable[Receipt]]) -> None:
        self._function = function

    def remote(self, *arguments: Any, **options: Any) -> Awaitable[Receipt]:
        return self._function(*arguments, **options)


class Actor:
    """Notes what it was asked; `knows` are the arguments of its `cancel` beside the first ones."""

    def __init__(self, knows: set[str]) -> None:
        self.asked: list[dict[str, Any]] = []
        self.knows = knows
        self.cancel = Method(self._cancel)

    async def _cancel(self, conversation_id: str, principal: str | None, door_version: int, **options: Any) -> Receipt:
        for name in options:
            if name not in self.knows:
                raise TypeError(f"got an unexpected keyword argument '{name}'")
        self.asked.append(options)
        return DONE


@pytest.mark.parametrize(
    ("knows", "context", "asked"),
    [
        ({"turn", "context"}, CONTEXT, {"turn": 1, "context": CONTEXT}),
        ({"turn", "context"}, AgentContext(), {"turn": 1}),
        ({"turn"}, CONTEXT, {"turn": 1}),
        (set[str](), CONTEXT, {}),
    ],
)
async def test_an_actor_is_sent_what_it_knows(
    world: World, knows: set[str], context: AgentContext, asked: dict[str, Any]
) -> None:
    await world.store.registry.create("c", agent="echo", principal="ada", now=1)
    actor = Actor(knows)
    command: Any = cancel_turn(world.store, "c", Cancel(principal="ada", turn=1), context)
    assert await command(actor, 1) == DONE
    assert actor.asked == [asked]

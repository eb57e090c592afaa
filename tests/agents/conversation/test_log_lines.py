"""Each line that is logged in the work of a turn says which conversation and which turn it is about."""

from typing import Any

import structlog
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from agents.middleware.pipeline.exchange import Request
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import TurnContext
from agents.models import Call, Step
from agents.tools import tool
from tests.support.conversation_workbench import worker
from tests.support.conversations import World, rest, say
from tests.support.sub_agent_world import boss, child_of, scholar, task

log = structlog.get_logger("own")


@tool
async def awaits() -> str:
    """Log on the loop."""
    log.info("awaits")
    return ""


@tool
def blocks() -> str:
    """Log in a thread."""
    log.info("blocks")
    raise RuntimeError


class Speaking(Middleware):
    """Logs where it is called, and in the background."""

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        log.info("before_model")

        async def later() -> None:
            log.info("later")

        context.background(later())
        return request


def places(logged: list[Any]) -> dict[str, set[tuple[object, object]]]:
    """By event: the conversations and turns that its lines name."""
    found: dict[str, set[tuple[object, object]]] = {}
    for entry in logged:
        found.setdefault(entry["event"], set()).add((entry.get("conversation_id"), entry.get("turn")))
    return found


async def test_tools_and_middleware_in_two_turns(world: World) -> None:
    calls = [Call("awaits"), Call("blocks")]
    agent = worker(awaits, blocks, calls=calls, middleware=[Speaking()])
    with capture_logs([merge_contextvars]) as logged:
        conversation = await world.start(agent)
        for _ in range(2):
            await say(conversation)
            await rest(conversation)
    found = places(logged)
    turns = {("c", 1), ("c", 2)}
    assert found == dict.fromkeys(("awaits", "blocks", "tool_crashed", "before_model", "later"), turns)


async def test_a_sub_agent_is_not_taken_for_its_parent(world: World) -> None:
    look = scholar(Step("I look.", calls=[Call("awaits")]), Step("A beam."), tools=(awaits,))
    with capture_logs([merge_contextvars]) as logged:
        parent = await world.start(boss(look, calls=[task("scholar", "What is a ray?")]))
        await say(parent, "first")
        await rest(parent)
    assert places(logged)["awaits"] == {((await child_of(world)).id, 1)}

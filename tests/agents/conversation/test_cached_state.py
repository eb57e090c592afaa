"""The state that is cached beside the log: whatever is wrong with it, the next incarnation mends it."""

import orjson
import pytest

from agents.agent import Agent
from agents.clock import now_ms
from agents.tools import tool
from agents.turn import fold, fsm_state
from tests.support.conversation_workbench import worker
from tests.support.conversations import World, rest, say

WRONG = (b'{"state":"idle","pending":{},"last_seq":0}', b'{"state":"preparing","pending":{"x":{}},"last_seq":9}')


async def spoil(world: World, state: bytes) -> None:
    """Let the cache, and the index of unfinished turns with it, say what the log does not."""
    claim = await world.store.log.claim("c")
    last_seq = claim.meta.last_seq
    await world.store.log.append(claim, [], expected_last_seq=last_seq, state=state, due_at=None, now=now_ms())


@tool(approval="required")
def work() -> str:
    """Do something that a person must allow."""
    return "done"


def parking() -> Agent:
    """An agent whose turn waits for a person."""
    return worker(work)


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_wrong_state_is_mended_when_the_conversation_is_opened(world: World, wrong: bytes) -> None:
    conversation = await world.start(parking())
    await say(conversation)
    assert await rest(conversation) == "awaiting_input"
    await world.crash(conversation)
    await spoil(world, wrong)
    before = await world.store.registry.get("c")
    assert before.state == wrong

    conversation = await world.open(parking())
    meta = await world.store.registry.get("c")
    assert meta.state is not None
    assert orjson.loads(meta.state) == orjson.loads(orjson.dumps(fsm_state(fold(await world.log()))))
    assert orjson.loads(meta.state)["state"] == await rest(conversation) == "awaiting_input"
    assert await world.store.registry.unfinished(2**60, 10) == ["c"], "its question will run out"
    assert (meta.last_seq, meta.updated_at) == (before.last_seq, before.updated_at), "nothing has happened"

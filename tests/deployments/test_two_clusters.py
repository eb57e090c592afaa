"""Two clusters with one Redis, as while traffic moves from one to the other: neither takes the other's turns."""

import asyncio

import orjson
import pytest

from agents.clock import now_ms
from agents.codec import encode
from agents.turn import Facts, fsm_state
from agents.turn.events import UserMsg
from agents.turn.facts import apply
from store import Store
from store.records import Claim
from tests.deployments.conftest import in_the_ingress
from tests.support.api import Api

pytestmark = [pytest.mark.ray, in_the_ingress]

SWEEPS = 3
"""One each second: enough to have one after the time that a turn is left alone."""


async def begin_a_turn(store: Store, claim: Claim) -> None:
    message = UserMsg(turn=1, principal="local", content=[{"type": "text", "text": "hello"}])
    facts = apply(Facts(), message, 1)
    now = now_ms()
    await store.log.append(
        claim,
        [orjson.dumps(encode(message, now))],
        expected_last_seq=0,
        state=orjson.dumps(fsm_state(facts)),
        due_at=now,
        now=now,
    )


async def test_a_turn_of_another_cluster_is_left_alone_while_that_reports(api: Api, store: Store) -> None:
    conversation_id = await api.create()
    claim = await store.log.claim(conversation_id, "conversation:there", cluster="another")
    await store.clusters.report("another")
    await begin_a_turn(store, claim)

    for _ in range(SWEEPS * 5):
        await store.clusters.report("another")
        await asyncio.sleep(0.2)
        assert (await store.registry.get(conversation_id)).epoch == claim.epoch

    log = await api.rest(conversation_id)  # the other cluster reports no more
    assert [event["type"] for event in log] == ["user_msg", "assistant_msg", "turn_ended"]


async def test_a_message_here_takes_the_conversation_over(api: Api, store: Store) -> None:
    conversation_id = await api.create()
    claim = await store.log.claim(conversation_id, "conversation:there", cluster="another")
    await store.clusters.report("another")
    assert (await api.turn(conversation_id, "hello"))[-1]["type"] == "turn_completed"
    meta = await store.registry.get(conversation_id)
    assert meta.epoch > claim.epoch, "the other incarnation is fenced"
    assert meta.cluster not in (None, "another")

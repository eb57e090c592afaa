"""Why an incarnation has gone: each reason is in the store once it has, and the next one finds a crash by itself."""

import pytest

from agents.agent import Agent, Catalog
from agents.codec import encode
from agents.conversation import Conversation
from agents.conversation.abort_turn import abort_in_log
from agents.errors import Superseded, UnknownAgent
from agents.models import ScriptedModel, Step
from agents.services import Services
from agents.turn.states import ExitReason
from store import ConversationMeta, Store
from tests.support.conversation_workbench import Bench, worker
from tests.support.conversations import World, rest, say

IN_GOOD_ORDER = (
    ExitReason.IDLE,
    ExitReason.MEMORY,
    ExitReason.ROOM,
    ExitReason.MOVED,
    ExitReason.DRAINED,
    ExitReason.REDEPLOYED,
    ExitReason.SHUTDOWN,
)


def talker() -> Agent:
    return Agent(name="talker", model=ScriptedModel([Step("hi")] * 9))


async def at(world: World, place: str, agent: Agent) -> Conversation:
    """An incarnation that can be reached there."""
    services = Services(store=world.connect(), place=place)
    return await Conversation.open(services, "c", Catalog([agent]))


async def meta(world: World) -> ConversationMeta:
    return await world.store.registry.get("c")


@pytest.mark.parametrize("reason", IN_GOOD_ORDER)
async def test_one_that_leaves_says_why(world: World, reason: ExitReason) -> None:
    await world.create(talker())
    conversation = await at(world, "host:1", talker())
    await say(conversation)
    await rest(conversation)
    assert await conversation.leave(reason)
    assert (await meta(world)).exit == reason
    newer = await at(world, "host:2", talker())
    known = await meta(world)
    assert (known.exit, known.ended) == (None, reason), "it lives again, and the reason is kept"
    newer.abandon()


async def test_one_in_a_turn_says_why_too(world: World) -> None:
    bench = Bench()
    await world.create(worker(bench.tool))
    conversation = await at(world, "host:1", worker(bench.tool))
    await say(conversation)
    await bench.begun()
    await conversation.stop(ExitReason.DRAINED)
    assert (await meta(world)).exit == ExitReason.DRAINED


async def test_the_next_claim_notes_a_crash(world: World) -> None:
    await world.create(talker())
    conversation = await at(world, "host:1", talker())
    conversation.abandon()  # as when the process dies
    assert (await meta(world)).exit is None
    await world.store.log.claim("c", "host:2")
    assert (await meta(world)).ended == ExitReason.CRASH


async def test_what_claims_in_between_and_cannot_be_reached_hides_no_crash(world: World) -> None:
    await world.create(talker())
    (await at(world, "host:1", talker())).abandon()
    await world.store.log.claim("c")  # as a door that accepts a message
    await world.store.log.claim("c", "host:2")
    assert (await meta(world)).ended == ExitReason.CRASH


async def test_one_that_was_alive_when_it_was_fenced_was_superseded(world: World) -> None:
    await world.create(talker())
    older = await at(world, "host:1", talker())
    newer = await at(world, "host:2", talker())
    with pytest.raises(Superseded):
        await say(older)
    await until_ended(world.store, ExitReason.SUPERSEDED)
    newer.abandon()


async def test_one_that_fails_by_an_error_of_its_own(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.create(talker())
    conversation = await at(world, "host:1", talker())

    def broken(event: object, at: int) -> object:
        if event.__class__.__name__ == "AssistantMsg":
            raise TypeError("the writer has a fault")
        return encode(event, at)  # type: ignore[arg-type]

    monkeypatch.setattr("agents.conversation.journal.encode", broken)
    await say(conversation)
    await conversation.gone
    assert (await meta(world)).exit == ExitReason.FAILED


async def test_one_that_cannot_begin(world: World) -> None:
    await world.create(talker())
    with pytest.raises(UnknownAgent):
        await at(world, "host:1", Agent(name="other", model=ScriptedModel([])))
    assert (await meta(world)).exit == ExitReason.NOT_OPENED


async def test_one_whose_turn_an_operator_has_aborted(world: World) -> None:
    bench = Bench()
    await world.create(worker(bench.tool))
    conversation = await at(world, "host:1", worker(bench.tool))
    await say(conversation)
    await bench.begun()
    await abort_in_log(world.store, "c", "operator")
    assert (await meta(world)).exit == ExitReason.ABORTED
    conversation.abandon()


async def test_older_code_that_left_at_rest_without_a_word_is_no_crash(world: World) -> None:
    await world.create(talker())
    (await at(world, "host:1", talker())).abandon()
    client = world.store.log._client
    await client.redis.hdel(world.store.keys.conversation("c").meta, "process")  # which older code does not write
    await world.store.log.claim("c", "host:2")
    assert (await meta(world)).ended is None


async def until_ended(store: Store, reason: ExitReason) -> None:
    ended: list[str | None] = []
    while not ended or ended[-1] != reason:
        ended.append((await store.registry.get("c")).ended)


def test_every_reason_has_a_test() -> None:
    tested = {ExitReason.CRASH, ExitReason.SUPERSEDED, ExitReason.FAILED, ExitReason.NOT_OPENED, ExitReason.ABORTED}
    assert {*IN_GOOD_ORDER, *tested} == set(ExitReason)

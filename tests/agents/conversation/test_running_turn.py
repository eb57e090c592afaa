"""A decision on the turn that waits reads the end of the log only, and decides as one who has read all of it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, ClassVar

import orjson
import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from agents.agent import Agent, Catalog
from agents.clock import now_ms
from agents.codec import decode, encode
from agents.conversation import Conversation, Receipt
from agents.conversation.acceptance import NeedsIncarnation, accepting
from agents.conversation.command_target import find_turn, name_question
from agents.conversation.running_turn import replay_turn
from agents.errors import Refused
from agents.models import Call, ModelRequest, ScriptedModel, Step
from agents.models.scripted.message_history import tool_returns
from agents.services import Services
from agents.turn import Facts, Logged, fold, fsm_state
from agents.turn.events import AssistantMsg, Event, StatePatch, TurnEnded, UserMsg
from agents.turn.facts import apply
from agents.turn.inputs import Resolve
from store import Record, Store
from tests.agents.conversation.test_context_of_any_log import AnyLog
from tests.support.conversation_workbench import Bench, worker
from tests.support.conversations import World, ends, rest, results, say, text

LOGS = sorted((Path(__file__).parent / "samples/logs").glob("*/*.jsonl"))
UNKNOWN = {"state", "usage", "self_started", "summarised"}
"""What only a new message needs, a new question, and a summary."""
RECORDS = 10_000


class CollectingMachine(AnyLog):
    """Keeps the logs that any sequence of inputs leaves."""

    found: ClassVar[list[Sequence[Logged]]] = []

    def teardown(self) -> None:
        self.found.append(self.harness.log)


def logs_of_any_inputs() -> list[Sequence[Logged]]:
    CollectingMachine.found.clear()
    bounds = settings(max_examples=20, stateful_step_count=40, deadline=None, derandomize=True, database=None)
    run_state_machine_as_test(CollectingMachine, settings=bounds)
    return [*CollectingMachine.found]


def sample_logs() -> list[Sequence[Logged]]:
    return [[decode(Record(seq, line)) for seq, line in enumerate(read_lines(path), 1)] for path in LOGS]


def read_lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()


@pytest.mark.parametrize("logs", [logs_of_any_inputs, sample_logs])
async def test_the_facts_are_those_of_the_whole_log(world: World, logs: Callable[[], list[Sequence[Logged]]]) -> None:
    """After each event of each log: where an append ends and where it does not."""
    running = 0
    for number, log in enumerate(logs()):
        conversation_id, facts = f"log{number}", Facts()
        await world.create(Agent(name="a", model=worker().model), conversation_id)
        writer = Writer(world.store, conversation_id)
        for entry in log:
            facts = apply(facts, entry.event, entry.seq)
            await writer.write([entry.event])
            found = (await replay_turn(world.store, conversation_id)).facts
            assert shown(found) == shown(facts)
            assert fsm_state(found) == fsm_state(facts)
            running += facts.running
    assert running > 100


def shown(facts: Facts) -> dict[str, Any]:
    known = {field.name: getattr(facts, field.name) for field in fields(Facts) if field.name not in UNKNOWN}
    if not facts.running:
        known["principal"] = known["step"] = known["model"] = None
    return known


class Writer:
    """Writes a log straight into the store, as a conversation would have written it."""

    def __init__(self, store: Store, conversation_id: str) -> None:
        self._store = store
        self._id = conversation_id
        self._facts = Facts()

    async def write(self, events: Sequence[Event]) -> None:
        before = self._facts.last_seq
        claim = await self._store.log.claim(self._id)
        for event in events:
            self._facts = apply(self._facts, event, self._facts.last_seq + 1)
        await self._store.log.append(
            claim,
            [orjson.dumps(encode(event, 1)) for event in events],
            expected_last_seq=before,
            state=orjson.dumps(fsm_state(self._facts)),
            due_at=now_ms() if self._facts.running else None,
            now=1,
        )


async def test_turns_of_several_persons_wait_in_their_order(world: World) -> None:
    """Each found from the end of the log alone, however many turns have ended since its message was held."""
    await world.create(Agent(name="a", model=worker().model), "line")
    writer, facts = Writer(world.store, "line"), Facts()
    log: list[Event] = [
        *earlier_turns(1),
        UserMsg(turn=2, principal="ada", content=text("hello")),
        *(UserMsg(turn=3 + n, principal=name, content=text("me")) for n, name in enumerate(("bob", "cy", "ada"))),
    ]
    for turn in range(2, 6):
        log.append(StatePatch(turn=turn, source="notes", patch={"turn": turn}))
        log.append(TurnEnded(turn=turn, outcome="completed"))
    for seq, event in enumerate([*log, UserMsg(turn=6, principal="bob", content=text("again"))], 1):
        facts = apply(facts, event, seq)
        await writer.write([event])
        found = (await replay_turn(world.store, "line")).facts
        assert shown(found) == shown(facts)
        assert fsm_state(found) == fsm_state(facts)
    assert (facts.turn, facts.principal, facts.waiting) == (6, "bob", ())


def earlier_turns(count: int) -> list[Event]:
    events: list[Event] = []
    for turn in range(1, count + 1):
        events += [
            UserMsg(turn=turn, principal="ada", content=text("hello")),
            AssistantMsg(turn=turn, principal="ada", message_id=f"m{turn}", step=1, content=text("hi")),
            TurnEnded(turn=turn, principal="ada", outcome="completed"),
        ]
    return events


class CountedReads:
    """How much of the log a store has read."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.records = self.calls = 0
        for name in ("read", "read_back"):
            monkeypatch.setattr(store.log, name, self._counting(getattr(store.log, name)))

    def _counting(self, read: Callable[..., Awaitable[list[Record]]]) -> Callable[..., Awaitable[list[Record]]]:
        async def counted(*arguments: Any, **options: Any) -> list[Record]:
            found = await read(*arguments, **options)
            self.records += len(found)
            self.calls += 1
            return found

        return counted


@pytest.fixture
async def bench() -> Bench:
    bench = Bench(approval="required")
    bench.finish.set()
    return bench


def call_once(request: ModelRequest) -> Step:
    return Step("done") if tool_returns(request.messages) else Step(calls=[Call("work")])


@pytest.fixture
async def hibernating(world: World, bench: Bench) -> str:
    """The call of a conversation of 10,000 records that waits for an approval, and lives nowhere."""
    agent = Agent(name="worker", model=ScriptedModel(call_once), tools=(bench.tool,))
    await world.create(agent)
    await Writer(world.store, "c").write(earlier_turns(RECORDS // 3))
    conversation = await world.open(agent)
    await say(conversation)
    assert await rest(conversation) == "awaiting_input"
    [call] = conversation.inspect().pending
    await conversation.stop()
    return call


async def accept(world: World, command: Callable[[Conversation], Awaitable[Receipt]]) -> Receipt:
    services = Services(store=world.store, conversations=world.doors, place="host", cluster="here")
    catalog = Catalog(world.agents, default="worker")
    meta = await world.store.registry.get("c")
    async with accepting(services, catalog, meta, messages=False) as conversation:
        return await command(conversation)


async def test_an_answer_is_acknowledged_after_a_bounded_read(
    world: World, hibernating: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = CountedReads(world.store, monkeypatch)
    approval = Resolve(tool_call_id=hibernating, decision="approve", principal="bob")
    named = await name_question(world.store, "c", approval)
    receipt = await accept(world, lambda one: one.resolve(named))
    assert (reads.records, reads.calls) < (50, 6)
    assert await accept(world, lambda one: one.resolve(approval)) == replace(receipt, duplicate=True)
    with pytest.raises(Refused, match="Nothing waits"):
        await accept(world, lambda one: one.resolve(Resolve(tool_call_id=hibernating, decision="reject")))
    with pytest.raises(Refused, match="Nothing waits"):
        await accept(world, lambda one: one.resolve(Resolve(tool_call_id="another", decision="approve")))
    assert (reads.records, reads.calls) < (200, 24)
    meta = await world.store.registry.get("c")
    assert meta.place == "host", "it stays where it hibernates"
    assert await world.store.registry.place_of_writer("c") is None, "and does not count as lost there"
    assert bench.runs == []
    await rest(await world.revive("c"))
    assert [context.tool_call_id for context in bench.runs] == [hibernating]
    assert [status for status, _ in results(await world.events())] == ["ok"]


async def test_when_it_rests_a_repeated_answer_or_cancel_needs_a_bounded_read(
    world: World, hibernating: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    approval = Resolve(tool_call_id=hibernating, decision="approve", principal="bob")
    conversation = await world.revive("c")
    first = await conversation.resolve(approval)
    await rest(conversation)
    await conversation.stop()
    reads = CountedReads(world.store, monkeypatch)
    assert await accept(world, lambda one: one.resolve(approval)) == replace(first, duplicate=True)
    with pytest.raises(Refused, match=r"not running|No turn"):
        await accept(world, lambda one: one.cancel("ada", first.turn))
    assert (reads.records, reads.calls) < (150, 16)


async def test_a_cancel_is_acknowledged_after_a_bounded_read(
    world: World, hibernating: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = CountedReads(world.store, monkeypatch)
    turn = await find_turn(world.store, "c")
    receipt = await accept(world, lambda one: one.cancel("ada", turn))
    assert await accept(world, lambda one: one.cancel("ada", turn)) == replace(receipt, duplicate=True)
    assert (reads.records, reads.calls) < (100, 12)
    assert ends(await world.events())[-1] == ("cancelled", "user_cancelled")


async def test_what_needs_an_incarnation_is_not_taken(world: World) -> None:
    bench = Bench(approval="required", on_unknown_outcome="report")
    waiting = await world.start(worker(bench.tool))
    await say(waiting)
    await rest(waiting)
    [call] = waiting.inspect().pending
    await waiting.stop()
    log = await world.log()
    with pytest.raises(NeedsIncarnation):
        await accept(world, lambda one: one.resolve(Resolve(tool_call_id=call, decision="approve")))
    assert await world.log() == log
    assert fold(log).suspended

"""What a channel has delivered is logged beside the turns; the model is shown what people have seen, and told so."""

import asyncio
import pickle
from collections.abc import Sequence
from typing import Any

import pytest

from agents.agent import Agent, Catalog
from agents.conversation import Conversation, Receipt
from agents.conversation.acceptance import accepting
from agents.errors import Refused, Superseded
from agents.middleware.compaction.summarise import transcript_within
from agents.models import ScriptedModel, Step
from agents.projection import NOTHING_SEEN, PART_SEEN, as_seen
from agents.services import Services
from agents.turn.events import AssistantMsg, Delivered
from agents.turn.inputs import RecordDelivery, UserMessage
from tests.messages_api import MessagesServer, Reply, ToolUse
from tests.support.conversation_workbench import Bench, Talker, worker
from tests.support.conversations import World, ends, rest, text
from tests.support.crashes import Act, Moment, play, transcript


async def write(conversation: Conversation, words: str, channel: str | None = "telegram") -> Receipt:
    """A message that came through a channel."""
    client_id = f"chain {words}"
    message = UserMessage(content=text(words), on_busy="queue", client_id=client_id, principal="ada", channel=channel)
    return await conversation.send(message)


def delivery(answer: AssistantMsg, sent: Sequence[str], unsent: int, chain: str = "k1") -> RecordDelivery:
    """The first bubbles of an answer were sent, and so many were not."""
    return RecordDelivery(
        chain=chain,
        channel="telegram",
        turn=answer.turn,
        principal="ada",
        bubbles=[
            {"guid": f"{chain}-{n}", "message_id": answer.message_id, "at": 7, "text": words}
            for n, words in enumerate(sent)
        ],
        unsent=[
            {"guid": f"{chain}-{len(sent) + n}", "message_id": answer.message_id, "reason": "cancelled"}
            for n in range(unsent)
        ],
    )


async def last_answer(world: World) -> AssistantMsg:
    return [event for event in await world.events() if isinstance(event, AssistantMsg)][-1]


async def delivered(world: World) -> list[Delivered]:
    return [event for event in await world.events() if isinstance(event, Delivered)]


async def shown_after(api: MessagesServer, conversation: Conversation) -> str:
    """What the model is shown of all that was before the next message."""
    await write(conversation, "next", channel=None)
    await rest(conversation)
    assert api.rejections == []
    return str(api.requests[-1].body["messages"])


@pytest.mark.parametrize(
    ("sent", "unsent", "shown", "note"),
    [
        (["One.", "Two."], 1, ["One.\\n\\nTwo."], PART_SEEN),
        ([], 3, [], NOTHING_SEEN),
        (["One.", "Two.", "Three."], 0, ["One. Two. Three."], None),
    ],
)
async def test_the_model_is_shown_what_people_have_seen(
    world: World,
    messages_api: MessagesServer,
    talker: Talker,
    sent: list[str],
    unsent: int,
    shown: list[str],
    note: str | None,
) -> None:
    messages_api.enqueue(Reply("One. Two. Three.", thinking="I count."))
    agent = talker()
    conversation = await world.start(agent)
    await write(conversation, "count")
    await rest(conversation)
    before = await world.events()
    receipt = await conversation.record_delivery(delivery(await last_answer(world), sent, unsent))
    [event] = await delivered(world)
    assert (event.turn, event.answered, event.channel, event.chain) == (1, 1, "telegram", "k1")
    assert (await world.events())[: len(before)] == before, "an event, never an edit"
    assert receipt == Receipt(len(before) + 1, 1)

    await world.crash(conversation)
    asked = await shown_after(messages_api, await world.open(agent))
    assert [words in asked for words in shown] == [True] * len(shown)
    assert ("Three." in asked) is (unsent == 0)
    assert [words in asked for words in (PART_SEEN, NOTHING_SEEN)] == [note == PART_SEEN, note == NOTHING_SEEN]


async def test_words_that_no_delivery_tells_of_were_not_seen(
    world: World, messages_api: MessagesServer, talker: Talker
) -> None:
    messages_api.enqueue(Reply("So be it."))
    conversation = await world.start(talker())
    await write(conversation, "decide")
    await rest(conversation)
    shown = await shown_after(messages_api, conversation)
    assert "So be it." not in shown
    assert NOTHING_SEEN in shown
    assert "decide" in shown


async def test_a_turn_without_a_channel_is_as_ever(world: World, messages_api: MessagesServer, talker: Talker) -> None:
    messages_api.enqueue(Reply("So be it."))
    conversation = await world.start(talker())
    await write(conversation, "decide", channel=None)
    await rest(conversation)
    shown = await shown_after(messages_api, conversation)
    assert "So be it." in shown
    assert NOTHING_SEEN not in shown


async def test_calls_stay_with_their_results_and_the_running_turn_is_whole(
    world: World, messages_api: MessagesServer, talker: Talker
) -> None:
    bench = Bench()
    bench.finish.set()
    answers = [Reply("I will work.", calls=[ToolUse("work", {"job": "this"})]), Reply("It is finished.")]
    messages_api.enqueue(*answers)
    conversation = await world.start(talker(bench.tool))
    await write(conversation, "work")
    await rest(conversation)
    assert "I will work." in str(messages_api.requests[-1].body["messages"]), "the turn that runs is shown whole"
    await conversation.record_delivery(delivery(await last_answer(world), ["It is"], 1))
    shown = await shown_after(messages_api, conversation)
    assert "this done" in shown
    assert "tool_use" in shown
    assert "It is" in shown
    assert "I will work." not in shown, "these words were not sent"
    assert "finished" not in shown
    assert PART_SEEN in shown


async def test_a_summary_is_written_from_what_people_have_seen(world: World) -> None:
    conversation = await world.start(Agent(name="a", model=ScriptedModel([Step("One. Two."), Step("so")])))
    await write(conversation, "count")
    await rest(conversation)
    await conversation.record_delivery(delivery(await last_answer(world), ["One."], 1))
    read = transcript_within(as_seen(await world.events(), before=2), 10_000)
    assert "Assistant: One." in read
    assert "Two." not in read
    assert PART_SEEN in read


async def test_the_same_chain_is_recorded_once_however_often_and_wherever(world: World) -> None:
    agent = Agent(name="a", model=ScriptedModel([Step("One. Two.")] * 3))
    conversation = await world.start(agent)
    await write(conversation, "count")
    await rest(conversation)
    first = delivery(await last_answer(world), ["One."], 1)
    receipts = await asyncio.gather(*(conversation.record_delivery(first) for _ in range(3)))
    assert sorted(receipt.duplicate for receipt in receipts) == [False, True, True]
    await world.crash(conversation)
    conversation = await world.open(agent)
    again = await conversation.record_delivery(delivery(await last_answer(world), [], 2))
    assert (again.seq, again.turn, again.duplicate) == (receipts[0].seq, 1, True)
    assert len(await delivered(world)) == 1
    other = await conversation.record_delivery(delivery(await last_answer(world), [], 2, chain="k2"))
    assert not other.duplicate


async def test_it_is_taken_whatever_runs_now(world: World) -> None:
    bench = Bench()
    conversation = await world.start(worker(bench.tool))
    bench.finish.set()
    await write(conversation, "first", channel=None)  # the script counts the answers that it is shown
    await rest(conversation)
    answer = await last_answer(world)
    bench.finish.clear()
    await write(conversation, "second")
    await bench.begun(2)
    await conversation.record_delivery(delivery(answer, ["do"], 1))
    [event] = await delivered(world)
    assert (event.turn, event.answered) == (2, 1)
    await conversation.cancel(turn=2)
    assert ends(await world.events()) == [("completed", None), ("cancelled", "user_cancelled")]


async def test_it_is_taken_where_the_conversation_lives_nowhere(world: World) -> None:
    agent = Agent(name="a", model=ScriptedModel([Step("One. Two.")] * 3))
    conversation = await world.start(agent)
    await write(conversation, "count")
    await rest(conversation)
    told = delivery(await last_answer(world), ["One."], 1)
    await conversation.stop()
    services = Services(store=world.store, conversations=world.doors, cluster="here")
    for duplicate in (False, True):
        meta = await world.store.registry.get("c")
        async with accepting(services, Catalog(world.agents, default="a"), meta, messages=False) as one:
            assert (await one.record_delivery(told)).duplicate is duplicate
    assert len(await delivered(world)) == 1
    conversation = await world.open(agent)
    assert conversation.inspect().state == "idle"


@pytest.mark.parametrize("turn", [-1, 0, 2, 2**40])
async def test_there_is_no_such_turn(world: World, turn: int) -> None:
    conversation = await world.start(Agent(name="a", model=ScriptedModel([Step("so")])))
    await write(conversation, "count")
    await rest(conversation)
    with pytest.raises(Refused) as refused:
        await conversation.record_delivery(RecordDelivery(chain="k", channel="telegram", turn=turn))
    assert refused.value.code == "unknown_turn"
    assert await delivered(world) == []


async def test_what_the_log_cannot_hold_is_refused(world: World) -> None:
    conversation = await world.start(Agent(name="a", model=ScriptedModel([Step("so")])))
    await write(conversation, "count")
    await rest(conversation)
    told = RecordDelivery(chain="k", channel="telegram", turn=1, bubbles=[{"text": "\ud800"}])
    with pytest.raises(Refused, match="cannot be stored"):
        await conversation.record_delivery(told)
    assert conversation.inspect().state == "idle"


async def test_an_incarnation_that_has_lost_its_claim_records_nothing(world: World) -> None:
    agent = Agent(name="a", model=ScriptedModel([Step("so")] * 3))
    older = await world.start(agent)
    await write(older, "count")
    await rest(older)
    newer = await world.open(agent)
    told = delivery(await last_answer(world), ["so"], 0)
    with pytest.raises(Superseded):
        await older.record_delivery(told)
    assert await delivered(world) == []
    assert not (await newer.record_delivery(told)).duplicate


class Story:
    """An answer of which a part is delivered while the next turn runs."""

    def __init__(self) -> None:
        self.agent = Agent(name="a", model=ScriptedModel([Step("One. Two."), Step("Three.", calls=[]), Step("Four.")]))
        self.acts: tuple[Act, ...] = (self._ask, self._deliver, self._ask_again)

    async def _ask(self, conversation: Conversation) -> None:
        await write(conversation, "count")
        await rest(conversation)

    async def _deliver(self, conversation: Conversation) -> None:
        [answer] = [event for event in conversation.history.events if isinstance(event, AssistantMsg)]
        await conversation.record_delivery(delivery(answer, ["One."], 1))

    async def _ask_again(self, conversation: Conversation) -> None:
        await write(conversation, "and?")
        await rest(conversation)


APPENDS = 5


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("append", range(1, APPENDS + 1))
async def test_killed_at_any_append(world: World, append: int, moment: Moment) -> None:
    assert await play(world, Story(), []) == APPENDS, "every append is visited"
    undisturbed = told_of(transcript(await world.events()))
    await world.store.registry.delete("c")
    await play(world, Story(), [(append, moment)])
    assert told_of(transcript(await world.events())) == undisturbed


def told_of(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the ids of answers, which differ between two runs."""
    bubbles = ("bubbles", "unsent")
    return [
        {
            name: [{**bubble, "message_id": ""} for bubble in value] if name in bubbles else value
            for name, value in record.items()
        }
        for record in records
    ]


def test_a_message_from_a_process_with_the_code_before_has_no_channel() -> None:
    message = UserMessage(content=text("hi"), client_id="m1")
    older = UserMessage.__new__(UserMessage)
    older.__setstate__([*message.__getstate__()][:-1])  # type: ignore[attr-defined]
    assert older == message
    assert pickle.loads(pickle.dumps(message)) == message

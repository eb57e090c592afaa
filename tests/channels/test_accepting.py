"""What a channel tells is durable and unique before the channel hears so, whatever dies and however often it comes."""

import asyncio
from dataclasses import replace

import pytest

from deployments.channels.pipeline.acceptance import Acceptance
from deployments.channels.pipeline.inputs import Command, Timing
from deployments.channels.pipeline.record import ChatRecords
from deployments.channels.pipeline.state import ChatState, decode_state, job_id_of
from deployments.channels.updates import Attachment, ChatGoes, DeletedMessage, EditedMessage, NewMessage, Sender, Update
from store import Store
from store.registries.chats import ChatRecord

ADA = Sender("7", "Ada")
NOW = 1_000_000_000


class Jobs:
    """What was to be carried out, by the ids of jobs; `dies` once where the process would."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}
        self.dies = False

    async def __call__(self, chat: ChatRecord, command: Command) -> None:
        if self.dies:
            self.dies = False
            raise ConnectionResetError
        job = job_id_of(chat.id, command.chain)
        self.known[job] = self.known.get(job, 0) + 1


@pytest.fixture
def jobs() -> Jobs:
    return Jobs()


@pytest.fixture
def acceptance(store: Store, jobs: Jobs) -> Acceptance:
    return Acceptance(ChatRecords(store, jobs, lambda: NOW), {"slow": Timing()}, lambda: NOW)


def new(name: str, chat: str = "a} b", **fields: object) -> NewMessage:
    made = NewMessage(chat=chat, message_id=name, sender=ADA, sent_at=NOW, text=name)
    return replace(made, **fields)  # type: ignore[arg-type]  # fields of any type


def edited(name: str, text: str, edited_at: int, sent_at: int = NOW) -> EditedMessage:
    return EditedMessage(chat="a} b", message_id=name, sender=ADA, sent_at=sent_at, text=text, edited_at=edited_at)


async def state_of(store: Store, chat: str = "a} b") -> ChatState:
    record, _ = await store.chats.read("slow", chat)
    return decode_state(record.state)


async def test_a_message_that_comes_three_times_is_one(store: Store, acceptance: Acceptance, jobs: Jobs) -> None:
    await acceptance.accept("slow", [new("1"), new("1")])
    again = Acceptance(ChatRecords(store, jobs, lambda: NOW), {}, lambda: NOW)  # another process, after a restart
    await asyncio.gather(*(again.accept("slow", [new("1")]) for _ in range(3)))
    state = await state_of(store)
    assert [one.text for one in state.queue] == ["1"]
    assert (state.accepted, len(jobs.known)) == (1, 1)


async def test_a_process_that_dies_before_the_job_is_made_is_healed_by_the_repeat(
    store: Store, acceptance: Acceptance, jobs: Jobs
) -> None:
    jobs.dies = True
    with pytest.raises(ConnectionResetError):
        await acceptance.accept("slow", [new("1")])
    assert jobs.known == {}
    await acceptance.accept("slow", [new("1")])
    assert list(jobs.known.values()) == [1]
    assert (await state_of(store)).accepted == 1


async def test_messages_that_come_at_once_are_all_there(store: Store, acceptance: Acceptance) -> None:
    await asyncio.gather(*(acceptance.accept("slow", [new(str(number))]) for number in range(20)))
    state = await state_of(store)
    assert sorted(int(one.id) for one in state.queue) == list(range(20))
    assert (state.chains, state.without_outcome) == (1, 0)


async def test_chats_are_apart_and_listed(store: Store, acceptance: Acceptance) -> None:
    await acceptance.accept("slow", [new("1"), new("1", "other"), new("2")])
    assert [one.id for one in (await state_of(store)).queue] == ["1", "2"]
    assert [one.id for one in (await state_of(store, "other")).queue] == ["1"]
    listed, following = await store.chats.list(limit=10, now=NOW)
    assert ({record.chat for record in listed}, following) == ({"a} b", "other"}, None)


@pytest.mark.parametrize(
    ("updates", "texts"),
    [
        ([new("1"), edited("1", "better", 5), edited("1", "worse", 4)], ["better"]),
        ([edited("1", "better", 5), new("1")], ["better"]),
        ([edited("1", "of last week", 5, sent_at=NOW - 7 * 86_400_000)], []),
        ([new("1"), DeletedMessage(chat="a} b", message_id="1")], []),
        ([DeletedMessage(chat="a} b", message_id="1"), new("1")], []),
        ([new("1"), ChatGoes(chat="a} b")], []),
    ],
)
async def test_edits_and_deletions_come_in_any_order(
    store: Store, acceptance: Acceptance, updates: list[Update], texts: list[str]
) -> None:
    for update in updates:
        await acceptance.accept("slow", [update])
    assert [one.text for one in (await state_of(store)).queue] == texts
    assert (await state_of(store)).without_outcome == 0


async def test_attachments_and_the_kind_of_chat_are_kept(store: Store, acceptance: Acceptance) -> None:
    photo = Attachment("ref", "cat.png", "image/png", 12)
    await acceptance.accept("slow", [new("1", is_group=True, attachments=[photo])])
    state = await state_of(store)
    assert state.is_group
    assert state.queue[0].files[0].model_dump() == photo._asdict()

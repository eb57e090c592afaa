"""The rules of a chat: cases by name, then anything in any order, with the time as an argument."""

import re
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from deployments.channels.pipeline.inputs import (
    Answered,
    Arrived,
    Back,
    CallApproved,
    CancelTurn,
    Command,
    Deleted,
    Edited,
    Failed,
    FlushDue,
    Gone,
    Input,
    ReadDue,
    RunStage,
    Sent,
    Stopped,
    Timing,
    TurnCancelled,
    TurnStarted,
)
from deployments.channels.pipeline.rules import MAX_CANCELLED, MAX_OVERHEARD, step, unfinished
from deployments.channels.pipeline.stages import TABLE, draw_picture, stage_of
from deployments.channels.pipeline.state import ChatState, Message, decode_state

PAGE = Path(__file__).parents[2] / "docs" / "channels.md"
TIMING = Timing()


def message(name: str, at: int = 0, **fields: object) -> Message:
    known = {"id": name, "sender": "7", "sender_name": "Ada", "sent_at": at, "accepted_at": at, "text": name}
    return Message.model_validate({**known, **fields})


class Chat:
    """A chat whose jobs are done by hand."""

    def __init__(self, timing: Timing = TIMING) -> None:
        self.state, self.timing, self.now = ChatState(), timing, 1_000_000
        self.commands: list[Command] = []

    @property
    def stage(self) -> str:
        return stage_of(self.state)

    @property
    def number(self) -> int:
        assert self.state.chain is not None
        return self.state.chain.id

    @property
    def drained(self) -> list[tuple[str, bool]]:
        assert self.state.chain is not None
        return [(one.text, one.is_earlier) for one in self.state.chain.messages]

    def tell(self, event: Input) -> None:
        before = self.stage
        self.state, commands = step(self.state, event, self.now, self.timing)
        self.commands = list(commands)
        after = self.stage
        assert after == before or after in TABLE[before].get(type(event), ()), (before, type(event), after)

    def text(self, name: str, after: float = 0.0, **fields: object) -> None:
        self.now += round(1000 * after)
        self.tell(Arrived(message(name, self.now, **fields)))

    def flush(self) -> None:
        assert self.state.chain is not None
        self.now = max(self.now, self.state.chain.due_at)
        self.tell(FlushDue(self.number))

    def generate(self) -> None:
        self.flush()
        self.now = self.state.chain.due_at if self.state.chain else self.now
        self.tell(ReadDue(self.number))
        self.tell(TurnStarted(self.number, "c", 3))

    def send(self) -> None:
        self.generate()
        self.tell(Answered(self.number, has_answer=True))


def test_four_messages_in_eight_seconds_are_one_chain() -> None:
    chat = Chat()
    for name, after in (("a", 0), ("b", 2), ("c", 3), ("d", 3)):
        chat.text(name, after)
    assert chat.state.chain is not None
    assert chat.state.chain.due_at == chat.now + 5_000
    chat.send()
    assert chat.drained == [("a", False), ("b", False), ("c", False), ("d", False)]
    chat.tell(Sent(chat.number))
    assert (chat.stage, chat.state.outcomes, chat.state.chains) == ("idle", {"answered": 4}, 1)


def test_a_job_that_comes_before_the_silence_is_over_is_put_off() -> None:
    chat = Chat()
    chat.text("a")
    chat.text("b", after=4)
    chat.now += 1_000
    chat.tell(FlushDue(1))
    assert (chat.stage, chat.state.chain and chat.state.chain.job) == ("flush", 2)
    assert chat.commands == [RunStage(chat.state.chain)] if chat.state.chain else False


def test_endless_typing_is_answered_after_the_cap() -> None:
    chat = Chat()
    chat.text("0")
    began = chat.now
    for number in range(1, 20):
        chat.text(str(number), after=3)
    assert chat.state.chain is not None
    assert chat.state.chain.due_at == began + 30_000


def test_without_debounce_the_answer_begins_at_once() -> None:
    chat = Chat(Timing(quiet=0))
    chat.text("a")
    assert chat.state.chain is not None
    assert chat.state.chain.due_at == chat.now


def test_a_person_needs_time_to_read_and_at_most_an_hour() -> None:
    for speed, seconds in ((20.0, 15), (0.001, 3_600)):
        chat = Chat(Timing(read_delay=10, characters_a_second=speed))
        chat.text("x" * 100)
        chat.flush()
        assert chat.state.chain is not None
        assert chat.state.chain.due_at == chat.now + 1_000 * seconds
        chat.tell(ReadDue(1))
        assert chat.stage == "read"


def test_a_follow_up_cancels_the_turn_and_nothing_is_forgotten() -> None:
    chat = Chat()
    chat.text("a")
    chat.generate()
    chat.text("b", after=1)
    assert [type(command) for command in chat.commands] == [CancelTurn, RunStage]
    chat.flush()
    assert chat.stage == "flush", "the next chain waits for the turn to be over"
    chat.tell(TurnCancelled(1))
    chat.send()
    assert chat.drained == [("a", True), ("b", False)]
    assert (chat.state.cancelled_in_all, chat.state.carried) == (1, 1)


def test_what_tells_of_a_chain_that_is_over_changes_nothing() -> None:
    chat = Chat()
    chat.text("a")
    chat.generate()
    chat.text("b")
    known = chat.state
    late: tuple[Input, ...] = (FlushDue(1), ReadDue(1), TurnStarted(1, "c", 3), CallApproved(1), Answered(1, True))
    for event in late:
        chat.tell(event)
        assert (chat.state, chat.commands) == (known, [])


def test_a_stop_that_is_older_than_the_chain_stops_nothing() -> None:
    chat = Chat()
    chat.text("a")
    chat.generate()
    chat.tell(Stopped(chat.state.chain.began_at - 1 if chat.state.chain else 0))
    assert chat.stage == "generate"
    chat.tell(Stopped(chat.now))
    assert (chat.stage, chat.state.outcomes) == ("idle", {"cancelled": 1})


def test_a_new_message_does_not_undo_an_approved_call() -> None:
    chat = Chat()
    chat.text("a")
    chat.generate()
    chat.tell(CallApproved(1))
    chat.text("b")
    assert (chat.stage, chat.number, chat.commands) == ("generate", 1, [])
    chat.tell(Answered(1, has_answer=False))
    assert (chat.stage, chat.number) == ("flush", 2)


def test_a_follow_up_between_two_bubbles_ends_the_sending_and_asks_nothing_again() -> None:
    chat = Chat()
    chat.text("a")
    chat.send()
    chat.text("b")
    assert [chain.id for chain in chat.state.ending] == [1]
    chat.tell(Sent(1))
    chat.send()
    assert chat.drained == [("b", False)]


def test_a_chat_that_never_falls_silent_gets_an_answer() -> None:
    chat = Chat()
    chat.text("a")
    for number in range(MAX_CANCELLED):
        chat.generate()
        chat.text(str(number))
        chat.tell(TurnCancelled(chat.number - 1))
    chat.generate()
    chat.text("late")
    assert chat.stage == "generate"


def test_a_failed_chain_does_not_freeze_the_chat() -> None:
    chat = Chat()
    chat.text("a")
    chat.generate()
    chat.tell(Failed(1, "the model is away"))
    assert chat.state.last_failure is not None
    assert chat.state.last_failure.stage == "generate"
    chat.text("b")
    assert (chat.stage, chat.number, chat.state.outcomes) == ("flush", 2, {"failed": 1})


def test_messages_are_read_as_they_were_sent() -> None:
    chat = Chat()
    chat.text("second", sent_at=20)
    chat.text("first", sent_at=10)
    chat.flush()
    assert [text for text, _ in chat.drained] == ["first", "second"]


def test_the_newest_edit_counts_in_whatever_order_they_come() -> None:
    chat = Chat()
    chat.text("a")
    chat.tell(Edited(message("a", text="newest", edited_at=9)))
    chat.tell(Edited(message("a", text="older", edited_at=8)))
    chat.generate()
    assert chat.drained == [("newest", False)]
    chat.tell(Edited(message("a", text="while it is generated", edited_at=10)))
    chat.tell(TurnCancelled(1))
    chat.generate()
    assert chat.drained == [("while it is generated", True)]


def test_the_only_message_is_taken_back_and_the_chat_is_silent() -> None:
    for reach in (lambda chat: None, Chat.flush, Chat.generate):
        chat = Chat()
        chat.text("a")
        reach(chat)
        chat.tell(Deleted("a"))
        assert (chat.stage, chat.state.outcomes) == ("idle", {"withdrawn": 1})


def test_a_group_is_answered_when_the_agent_is_addressed_with_what_was_said_beside() -> None:
    chat = Chat()
    for number in range(MAX_OVERHEARD + 3):
        chat.text(str(number), is_addressed=False)
    assert (chat.stage, chat.state.outcomes) == ("idle", {"overheard": 3})
    chat.text("you")
    chat.flush()
    assert len(chat.drained) == MAX_OVERHEARD + 1


def test_a_closed_chat_is_left_alone_until_it_is_back() -> None:
    chat = Chat()
    chat.text("a")
    chat.send()
    chat.tell(Gone())
    assert (chat.stage, chat.state.is_gone, chat.state.outcomes) == ("idle", True, {"chat_gone": 1})
    chat.tell(Back())
    assert not chat.state.is_gone


def test_the_docs_show_the_table_as_it_is() -> None:
    pictures = re.findall(r"```mermaid\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert draw_picture() in pictures, "paste what pipeline.stages.draw_picture() returns into docs/channels.md"


class AnyChat(RuleBasedStateMachine):
    """Whatever comes, in any order, also of chains that are over."""

    def __init__(self) -> None:
        super().__init__()
        self.chat = Chat()
        self.sent = 0

    @rule(after=st.floats(0, 40), is_addressed=st.booleans())
    def text(self, after: float, is_addressed: bool) -> None:
        self.sent += 1
        self.chat.text(str(self.sent), after, is_addressed=is_addressed)

    @rule(name=st.integers(1, 20), edited_at=st.integers(1, 5))
    def edit(self, name: int, edited_at: int) -> None:
        self.chat.tell(Edited(message(str(name), text="edited", edited_at=edited_at)))

    @rule(name=st.integers(1, 20))
    def delete(self, name: int) -> None:
        self.chat.tell(Deleted(str(name)))

    @rule(back=st.integers(0, 3), data=st.data())
    def job(self, back: int, data: st.DataObject) -> None:
        number = self.chat.state.chains - back
        events: list[Input] = [
            FlushDue(number),
            ReadDue(number),
            TurnStarted(number, "c", 1),
            CallApproved(number),
            TurnCancelled(number),
            Answered(number, has_answer=True),
            Answered(number, has_answer=False),
            Sent(number),
            Failed(number, "broken"),
        ]
        self.chat.tell(data.draw(st.sampled_from(events)))

    @rule(event=st.sampled_from([Gone(), Back(), Stopped(1_020_000), Stopped(10**12)]))
    def tell(self, event: Input) -> None:
        self.chat.tell(event)

    @rule(seconds=st.floats(0, 60))
    def wait(self, seconds: float) -> None:
        self.chat.now += round(1000 * seconds)

    @precondition(lambda self: self.chat.state.chain is not None or self.chat.state.ending)
    @rule()
    def finish(self) -> None:
        """However it got here, done what it waits for it comes to an end."""
        for _ in range(200):
            if not (commands := unfinished(self.chat.state)):
                break
            for command in commands:
                self._do(command)
        assert self.chat.stage == "idle"
        assert not [one for one in self.chat.state.queue if one.is_addressed]

    def _do(self, command: Command) -> None:
        chain = command.chain
        if isinstance(command, CancelTurn):
            self.chat.tell(TurnCancelled(chain.id))
            return
        self.chat.now = max(self.chat.now, chain.due_at)
        done: dict[str, Input] = {
            "flush": FlushDue(chain.id),
            "read": ReadDue(chain.id),
            "generate": Answered(chain.id, has_answer=True),
            "send": Sent(chain.id),
        }
        self.chat.tell(done[chain.stage])

    @invariant()
    def every_accepted_message_is_held_or_has_an_outcome(self) -> None:
        assert self.chat.state.without_outcome == 0
        assert self.chat.state.accepted == self.sent

    @invariant()
    def what_wants_an_answer_has_a_chain(self) -> None:
        waits = any(one.is_addressed for one in self.chat.state.queue)
        assert not waits or self.chat.state.chain is not None

    @invariant()
    def an_answer_is_never_put_off_beyond_the_cap(self) -> None:
        chain = self.chat.state.chain
        if chain is not None and chain.stage == "flush" and chain.job == 1:
            assert chain.due_at <= chain.began_at + 30_000

    @invariant()
    def the_store_keeps_it_whole(self) -> None:
        assert decode_state(self.chat.state.encode()) == self.chat.state


TestAnyChat = AnyChat.TestCase

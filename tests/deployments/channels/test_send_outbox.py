"""The send stage: each bubble once and in order, whatever fails and whenever it dies; the log is told what was seen."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.channels.channel import Bubble
from deployments.channels.errors import BubbleRefused, ChatGone, TryLater
from deployments.channels.sending import send_outbox as stage
from deployments.channels.sending.outbox import Outcome, RunSuperseded
from deployments.channels.sending.pacing import AT_ONCE, Pacing
from deployments.channels.sending.send_outbox import send_outbox
from tests.support.outboxes import FileOutbox, FreeRates, ManualTime, PlainRecorder, Recorder, chain_of

TEXTS = ("One.", "Two.", "Three.")
ALL = ["job-0 One.", "job-1 Two.", "job-2 Three."]


class Case:
    """A chain of three bubbles, and what is needed to send it."""

    def __init__(self, folder: Path, answer: Callable[[Bubble], None] = lambda _: None, plain: bool = False) -> None:
        self.folder, self.answer = folder, answer
        self.channel = (PlainRecorder if plain else Recorder)(folder / "got", answer)
        self.outbox = FileOutbox(chain_of(*TEXTS), folder / "outbox")
        self.time = ManualTime()
        self.rates = FreeRates()

    async def send(self, pacing: Pacing = AT_ONCE) -> int | None:
        return await send_outbox(self.outbox, self.channel, self.rates, pacing, self.time.time())

    def told(self) -> tuple[list[str], list[tuple[str, str]]]:
        """The guids that were recorded as sent, and those that were not, with the reasons."""
        [recorded] = self.outbox.recorded
        sent = [bubble["guid"] for bubble in recorded["bubbles"]]
        return sent, [(bubble["guid"], bubble["reason"]) for bubble in recorded["unsent"]]


def failing(guid: str, *errors: Exception) -> Callable[[Bubble], None]:
    """The first tries of this bubble end so."""
    left = list(errors)

    def answer(bubble: Bubble) -> None:
        if bubble.guid == guid and left:
            raise left.pop(0)

    return answer


async def test_bubbles_go_out_in_order_and_are_recorded(tmp_path: Path) -> None:
    case = Case(tmp_path)
    assert await case.send() is None
    assert case.channel.got == ALL
    [recorded] = case.outbox.recorded
    assert (recorded["chain"], recorded["channel"], recorded["turn"], recorded["unsent"]) == (
        "chain-1",
        "recorder",
        1,
        [],
    )
    assert [(bubble["guid"], bubble["message_id"], "text" in bubble) for bubble in recorded["bubbles"]] == [
        ("job-0", "m1", False),
        ("job-1", "m1", False),
        ("job-2", "m1", False),
    ]
    assert await case.send() is None, "it may be called again"
    assert case.channel.got == ALL
    assert len(case.outbox.recorded) == 1


async def test_they_come_as_a_person_types(tmp_path: Path) -> None:
    case = Case(tmp_path)
    began = case.time.at
    await case.send(Pacing())
    took = (case.time.at - began) / 1000
    characters = sum(map(len, TEXTS))
    assert 3 * 0.2 + characters / 9 <= took <= 3 * 0.6 + characters / 6 + 0.1
    assert case.channel.typed >= 1
    typed = case.channel.typed
    await case.send(Pacing())
    assert case.channel.typed == typed, "none is shown when nothing follows"


def test_pacing_follows_from_the_guid_and_is_bounded() -> None:
    assert Pacing().due_at("a", 40, 7) == Pacing().due_at("a", 40, 7)
    assert len({Pacing().due_at(f"job-{n}", 40, 0) for n in range(50)}) > 40
    assert max(Pacing().due_at(f"job-{n}", 100_000, 0) for n in range(50)) <= 8_600
    assert AT_ONCE.due_at("a", 4000, 7) == 7


async def test_a_cancel_between_two_bubbles_ends_it_and_its_typing(tmp_path: Path) -> None:
    case = Case(tmp_path)

    def cancel_once_one_is_there() -> None:
        if case.channel.got == ALL[:1]:
            case.outbox.cancel()

    case.time.then = cancel_once_one_is_there
    assert await case.send(Pacing()) is None
    assert case.channel.got == ALL[:1]
    assert case.told() == (["job-0"], [("job-1", "cancelled"), ("job-2", "cancelled")])
    [recorded] = case.outbox.recorded
    assert [bubble["text"] for bubble in recorded["bubbles"]] == ["One."], "the model is shown what was seen"
    typed = case.channel.typed
    await case.send(Pacing())
    assert case.channel.typed == typed


async def test_a_chat_that_is_gone_is_noted_and_left_alone(tmp_path: Path) -> None:
    case = Case(tmp_path, failing("job-1", ChatGone()))
    assert await case.send() is None
    assert case.outbox.is_gone
    assert case.channel.got == ALL[:1]
    assert case.told() == (["job-0"], [("job-1", "chat_gone"), ("job-2", "chat_gone")])


async def test_a_bubble_that_is_refused_does_not_hold_up_the_rest(tmp_path: Path) -> None:
    case = Case(tmp_path, failing("job-1", BubbleRefused()))
    assert await case.send() is None
    assert case.channel.got == [ALL[0], ALL[2]]
    assert case.told() == (["job-0", "job-2"], [("job-1", "refused")])


async def test_a_try_that_is_in_doubt_is_made_again_with_the_same_guid(tmp_path: Path) -> None:
    case = Case(tmp_path, failing("job-1", OSError("502"), TimeoutError()))
    assert await case.send() is None
    assert case.channel.tries == ["job-0", "job-1", "job-1", "job-1", "job-2"]
    assert case.channel.got == ALL, "its recipient knows the guid"
    assert case.told()[1] == []


async def test_tries_are_bounded_and_the_rest_goes_on(tmp_path: Path) -> None:
    case = Case(tmp_path, failing("job-1", *[OSError("502")] * 100))
    assert await case.send() is None
    assert case.channel.tries.count("job-1") == stage.MAX_TRIES
    assert case.channel.got == ALL
    assert case.told() == (["job-0", "job-2"], [("job-1", "unknown")])


async def test_without_guids_a_bubble_comes_twice_at_most(tmp_path: Path) -> None:
    case = Case(tmp_path, failing("job-1", *[OSError("502")] * 100), plain=True)
    assert await case.send() is None
    assert case.channel.got == [ALL[0], ALL[1], ALL[1], ALL[2]]


async def test_a_server_that_asks_for_patience_gets_it_and_nothing_is_dropped(tmp_path: Path) -> None:
    case = Case(tmp_path, failing("job-1", *[TryLater(3)] * 20))
    began = case.time.at
    assert await case.send() is None
    assert case.channel.got == ALL
    assert case.time.at - began >= 60_000


async def test_for_a_long_patience_no_worker_is_held(tmp_path: Path) -> None:
    case = Case(tmp_path, failing("job-1", TryLater(3600)))
    again_at = await case.send()
    assert again_at is not None
    assert again_at - case.time.at == 3_600_000
    assert case.outbox.recorded == []
    case.time.at = again_at
    assert await case.send() is None
    assert case.channel.got == ALL


async def test_a_run_that_was_taken_over_sends_and_records_nothing_more(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.time.then = lambda: FileOutbox(chain_of(*TEXTS), tmp_path / "outbox") and None
    with pytest.raises(RunSuperseded):
        await case.send(Pacing())
    assert case.channel.got == []
    case.time.then = lambda: None
    case.outbox = FileOutbox(chain_of(*TEXTS), tmp_path / "outbox")
    assert case.outbox.recorded == []
    assert await case.send() is None
    assert case.channel.got == ALL


POINTS = [("begin", n) for n in range(3)] + [("sent", n) for n in range(3)] + [("settle", n) for n in range(3)]
POINTS += [("record", 0), ("settled", 0), ("settled", 1)]


def die_at(point: str, number: int) -> Callable[[str], None]:
    """Kills this process when the point is reached for the so-many-th time."""
    seen: list[str] = []

    def reached(now: str) -> None:
        seen.append(now)
        if now == point and seen.count(point) == number + 1:
            os.kill(os.getpid(), signal.SIGKILL)

    return reached


def run_and_die(folder: Path, point: str, number: int, *, plain: bool) -> int:
    """Send in a process of its own that kills itself there; how it ended."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        reached = die_at(point, number)
        case = Case(folder, plain=plain)
        case.outbox = FileOutbox(chain_of(*TEXTS), folder / "outbox", reached)
        send, settle = case.channel.send, case.outbox.settle

        async def send_and_reach(chat: str, bubble: Bubble) -> str:
            sent = await send(chat, bubble)
            reached("sent")
            return sent

        async def settle_and_reach(index: int, outcome: Outcome) -> None:
            await settle(index, outcome)
            reached("settled")

        case.channel.send = send_and_reach  # type: ignore[method-assign]
        case.outbox.settle = settle_and_reach  # type: ignore[method-assign]
        asyncio.run(case.send())
    finally:
        os._exit(0)


@pytest.mark.parametrize(("point", "number"), POINTS)
@pytest.mark.parametrize("plain", [False, True], ids=["guids", "no guids"])
def test_killed_anywhere(tmp_path: Path, point: str, number: int, plain: bool) -> None:
    assert run_and_die(tmp_path, point, number, plain=plain) == -signal.SIGKILL
    assert run_and_die(tmp_path, "never", 0, plain=plain) == 0
    got = Case(tmp_path).channel.got
    in_flight = plain and point in ("sent", "settle")
    twice = [ALL[number]] if in_flight else []
    assert got == [*ALL[: number + 1], *twice, *ALL[number + 1 :]] if twice else got == ALL
    assert [len(recorded["bubbles"]) for recorded in Case(tmp_path).outbox.recorded] == [3]


def test_killed_again_and_again_at_the_same_bubble_without_guids(tmp_path: Path) -> None:
    for _ in range(4):
        run_and_die(tmp_path, "sent", 0, plain=True)
    assert run_and_die(tmp_path, "never", 0, plain=True) == 0
    got = Case(tmp_path).channel.got
    assert max(got.count(line) for line in ALL) <= 2, "twice at most"
    assert set(got) == set(ALL)

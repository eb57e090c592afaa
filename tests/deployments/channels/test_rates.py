"""The limits of a channel over all workers: kept, fair over chats, obedient to the server; nothing is dropped."""

import secrets
from collections import Counter
from pathlib import Path

import pytest

from deployments.channels.channel import Capabilities, Channel, Rates
from deployments.channels.errors import TryLater
from deployments.channels.sending.rates import SharedRates
from store import Store
from tests.support.outboxes import Recorder

NOW = 1_760_000_000_000


class Bounded(Recorder):
    name = "bounded"
    capabilities = Capabilities(rates=Rates(in_all=30, per_chat=1, per_group_minute=20))


@pytest.fixture
def channel(tmp_path: Path) -> Channel:
    """With a name of its own in each test: they may share a store."""
    named: type[Bounded] = type("Named", (Bounded,), {"name": f"bounded-{secrets.token_hex(4)}"})
    return named(tmp_path / "got")


async def send_all(
    workers: list[SharedRates], channel: Channel, waiting: dict[str, int], *, is_group: bool = False
) -> list[tuple[int, str]]:
    """The times at which each chat's bubbles go, one after another; chats are served by the workers in turn."""
    asks_at = dict.fromkeys(waiting, NOW)
    sent: list[tuple[int, str]] = []
    while any(waiting.values()):
        chat = min((chat for chat in waiting if waiting[chat]), key=lambda chat: asks_at[chat])
        worker = workers[len(sent) % len(workers)]
        slot = await worker.take(channel, chat, asks_at[chat], is_group=is_group)
        asks_at[chat] += slot.wait_ms
        if slot.is_given:
            sent.append((asks_at[chat], chat))
            waiting[chat] -= 1
            asks_at[chat] += 1
    return sent


def most_within(times: list[int], span: int) -> int:
    return max(sum(start <= other < start + span for other in times) for start in times)


async def test_no_bound_is_passed_and_a_long_chat_holds_up_no_other(store: Store, channel: Channel) -> None:
    workers = [SharedRates(store), SharedRates(store)]
    waiting = {"long": 12, **{f"short-{n}": 2 for n in range(40)}}
    sent = await send_all(workers, channel, dict(waiting))
    assert Counter(chat for _, chat in sent) == waiting, "nothing is dropped"
    assert most_within([at for at, _ in sent], 1000) <= 31
    for chat in waiting:
        assert most_within([at for at, name in sent if name == chat], 990) == 1
    shorts = [at for at, chat in sent if chat != "long"]
    assert max(shorts) - NOW < 4000, "as if the long one were not there"


async def test_a_group_takes_so_many_a_minute(store: Store, channel: Channel) -> None:
    sent = await send_all([SharedRates(store)], channel, {"group": 45}, is_group=True)
    assert len(sent) == 45
    assert most_within([at for at, _ in sent], 60_000) == 20


@pytest.mark.parametrize("for_all", [False, True])
async def test_what_the_server_asks_for_is_obeyed(store: Store, channel: Channel, for_all: bool) -> None:
    mine, other = SharedRates(store), SharedRates(store)
    await mine.obey(channel, "a", NOW, TryLater(7, for_all))
    await mine.obey(channel, "a", NOW, TryLater(2, for_all))  # which does not shorten it
    assert await other.take(channel, "a", NOW, is_group=False) == (False, 7000)
    assert (await other.take(channel, "b", NOW, is_group=False)) == ((False, 7000) if for_all else (True, 0))
    assert (await other.take(channel, "a", NOW + 7000, is_group=False)).is_given


async def test_channels_and_chats_are_told_apart(store: Store, channel: Channel) -> None:
    rates = SharedRates(store)
    assert await rates.take(channel, "a", NOW, is_group=False) == (True, 0)
    assert await rates.take(channel, "a", NOW, is_group=False) == (False, 1000)
    assert (await rates.take(channel, "b", NOW, is_group=False)).is_given


async def test_a_channel_without_bounds_never_waits(store: Store, tmp_path: Path) -> None:
    free = Recorder(tmp_path / "got")
    for _ in range(50):
        assert await SharedRates(store).take(free, "a", NOW, is_group=True) == (True, 0)

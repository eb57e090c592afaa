"""The send stage: the bubbles of a chain go out one by one, and the log is told which of them people have got.

Before each try it is noted that there is one, after each acknowledgement the cursor moves: so whenever the process
dies, the next run begins at the bubble that was under way, and sends it with the same guid.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from agents.clock import now_ms
from deployments.channels.channel import Channel
from deployments.channels.errors import BubbleRefused, ChannelError, ChatGone, TryLater
from deployments.channels.sending.outbox import ChainCancelled, Outbox, Outcome, Unsent, delivery_of
from deployments.channels.sending.pacing import Pacing
from deployments.channels.sending.rates import Rates

log = structlog.get_logger(__name__)

MAX_TRIES = 6
"""How often a bubble is sent whose tries are not answered, on a channel that drops what it has already."""
MAX_TRIES_WITHOUT_GUIDS = 2
"""The same on a channel that does not: so that people get it twice at most."""
SEND_SECONDS = 30.0
"""How long a try may take; after that, it is open whether the bubble was sent."""
TYPING_SECONDS = 4.0
"""How often it is shown that an answer is being written: channels show it for about five seconds."""
LOOK_SECONDS = 0.5
"""How soon a cancel is noticed between two bubbles."""
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.5, 8.0
"""Between two tries of a bubble."""
MAX_WAIT_SECONDS = 20.0
"""For longer, no worker is held: the stage is to be run again then."""


IN_DOUBT = Outcome(reason="unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Time:
    """The clock (ms) and how to wait (seconds); tests have their own."""

    now: Callable[[], int] = now_ms
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class _Later(Exception):
    """The next bubble may not go before `at` (ms), which is too far away to wait for."""

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.at = at


async def send_outbox(
    outbox: Outbox, channel: Channel, rates: Rates, pacing: Pacing, time: Time | None = None
) -> int | None:
    """Send what is left of a chain, then record what was delivered; None: the chain is over.

    Otherwise when (ms) this is to be called again. It may be called again at any time, also after it has died. Raises
    RunSuperseded, and what the store and the door raise, after which it is to be called again.
    """
    stage = _Stage(outbox, channel, rates, pacing, time or Time())
    try:
        reason = await stage.send_all()
    except _Later as later:
        return later.at
    await outbox.record(delivery_of(outbox.chain, await outbox.outcomes(), channel.name, reason))
    return None


class _Stage:
    def __init__(self, outbox: Outbox, channel: Channel, rates: Rates, pacing: Pacing, time: Time) -> None:
        self._outbox = outbox
        self._chain = outbox.chain
        self._channel = channel
        self._rates = rates
        self._pacing = pacing
        self._time = time
        self._typing_at = 0

    async def send_all(self) -> Unsent:
        """Why the bubbles behind the cursor, if there are any, are not sent."""
        begun_at, done = self._time.now(), len(await self._outbox.outcomes())
        try:
            for index in range(done, len(self._chain.items)):
                bubble = self._chain.items[index].bubble
                due_at = self._pacing.due_at(bubble.guid, len(bubble.text), begun_at)
                await self._wait_until(due_at, is_typing=True)
                await self._outbox.settle(index, await self._send(index))
                begun_at = self._time.now()
        except ChatGone:
            await self._outbox.note_gone()
            log.info("chat_gone", channel=self._channel.name, chain=self._chain.id)
            return "chat_gone"
        except ChainCancelled:
            log.info("sending_cancelled", channel=self._channel.name, chain=self._chain.id)
        return "cancelled"

    async def _send(self, index: int) -> Outcome:
        """Send one bubble, again while it is open whether it was sent; what came of it."""
        most = MAX_TRIES if self._channel.capabilities.guids else MAX_TRIES_WITHOUT_GUIDS
        is_in_doubt = False
        while True:
            try:
                await self._wait_for_place()
                tries = await self._outbox.begin(index)
            except ChainCancelled:
                if is_in_doubt:
                    return IN_DOUBT
                raise
            # The last one may have begun in a process that has died: then there is none left.
            outcome = await self._try_once(index, tries) if tries <= most else IN_DOUBT
            if outcome == IN_DOUBT and tries < most:
                is_in_doubt = True
                await self._time.sleep(min(FIRST_PAUSE_SECONDS * 2 ** (tries - 1), MAX_PAUSE_SECONDS))
            elif outcome is not None:
                return outcome

    async def _try_once(self, index: int, tries: int) -> Outcome | None:
        """What came of one try; None if it was refused for now."""
        bubble, channel = self._chain.items[index].bubble, self._channel
        try:
            async with asyncio.timeout(SEND_SECONDS):
                sent = await channel.send(self._chain.chat, bubble)
        except TryLater as later:
            await self._outbox.withdraw(index)
            await self._rates.obey(channel, self._chain.chat, self._time.now(), later)
            return None
        except BubbleRefused as refused:
            log.warning("bubble_refused", channel=channel.name, guid=bubble.guid, cause=str(refused))
            return Outcome(reason="refused")
        except ChatGone:
            await self._outbox.withdraw(index)
            raise
        except Exception as error:  # noqa: BLE001 - it is open whether the bubble was sent
            cause = str(error) or type(error).__name__
            log.warning("send_in_doubt", channel=channel.name, guid=bubble.guid, tries=tries, cause=cause)
            return IN_DOUBT
        return Outcome(at=self._time.now(), id=sent)

    async def _wait_for_place(self) -> None:
        """Wait for the bubble's place among all that the channel sends. Raises ChainCancelled, _Later."""
        while True:
            now = self._time.now()
            slot = await self._rates.take(self._channel, self._chain.chat, now, is_group=self._chain.is_group)
            if not slot.is_given and slot.wait_ms > 1000 * MAX_WAIT_SECONDS:
                raise _Later(now + slot.wait_ms)
            await self._wait_until(now + slot.wait_ms, is_typing=False)
            if slot.is_given:
                return

    async def _wait_until(self, due_at: int, *, is_typing: bool) -> None:
        """Wait, with a sign of typing where the channel has one. Raises ChainCancelled, ChatGone."""
        while True:
            if await self._outbox.is_cancelled():
                raise ChainCancelled
            left = (due_at - self._time.now()) / 1000
            if left <= 0:
                return
            if is_typing and self._channel.capabilities.typing:
                await self._show_typing()
            await self._time.sleep(min(left, LOOK_SECONDS))

    async def _show_typing(self) -> None:
        """Nothing has to end it: it is shown for some seconds each time, and never when nothing is to follow."""
        if self._time.now() - self._typing_at < 1000 * TYPING_SECONDS:
            return
        self._typing_at = self._time.now()
        try:
            async with asyncio.timeout(TYPING_SECONDS):
                await self._channel.show_typing(self._chain.chat)
        except ChatGone:
            raise
        except (ChannelError, OSError, TimeoutError) as error:
            log.info("typing_not_shown", channel=self._channel.name, cause=str(error))

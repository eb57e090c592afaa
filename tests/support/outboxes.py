"""An outbox in a file, and channels whose recipients write down what they get: for the tests of sending."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from agents.turn.inputs import RecordDelivery
from deployments.channels.channel import Bubble, Capabilities, Channel, WebhookRequest
from deployments.channels.errors import TryLater
from deployments.channels.sending.bubbles import Outgoing
from deployments.channels.sending.outbox import Chain, ChainCancelled, Outcome, RunSuperseded
from deployments.channels.sending.send_outbox import Time
from deployments.channels.updates import Update
from store.registries.send_slots import Slot


def chain_of(*texts: str, message_id: str = "m1") -> Chain:
    items = [
        Outgoing(bubble=Bubble(guid=f"job-{index}", text=text), message_id=message_id)
        for index, text in enumerate(texts)
    ]
    return Chain(id="chain-1", chat="chat-1", conversation_id="c", turn=1, items=items, principal="ada")


class FileOutbox:
    """What the stage asks of a chat's record, in a file that a dying process leaves whole."""

    def __init__(self, chain: Chain, path: Path, before: Callable[[str], None] = lambda _: None) -> None:
        self.chain = chain
        self._path = path
        self._before = before
        self._run = self._read()["run"] + 1
        self._write(run=self._run)

    @property
    def recorded(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._read()["recorded"]
        return found

    @property
    def is_gone(self) -> bool:
        return bool(self._read()["gone"])

    def cancel(self) -> None:
        self._write(cancelled=True)

    async def outcomes(self) -> Sequence[Outcome]:
        return [Outcome(**outcome) for outcome in self._own()["outcomes"]]

    async def is_cancelled(self) -> bool:
        return bool(self._own()["cancelled"])

    async def begin(self, index: int) -> int:
        own = self._own()
        if own["cancelled"]:
            raise ChainCancelled
        assert index == len(own["outcomes"]), "only the bubble at the cursor is sent"
        tries = own["tries"].get(str(index), 0) + 1
        self._before("begin")
        self._write(tries={**own["tries"], str(index): tries})
        return int(tries)

    async def withdraw(self, index: int) -> None:
        own = self._own()
        self._write(tries={**own["tries"], str(index): own["tries"][str(index)] - 1})

    async def settle(self, index: int, outcome: Outcome) -> None:
        own = self._own()
        assert index == len(own["outcomes"])
        self._before("settle")
        self._write(outcomes=[*own["outcomes"], asdict(outcome)])

    async def note_gone(self) -> None:
        self._own()
        self._write(gone=True)

    async def record(self, delivery: RecordDelivery) -> None:
        own = self._own()
        self._before("record")
        if delivery.chain not in [known["chain"] for known in own["recorded"]]:
            self._write(recorded=[*own["recorded"], asdict(delivery)])

    def _own(self) -> dict[str, Any]:
        found = self._read()
        if found["run"] != self._run:
            raise RunSuperseded
        return found

    def _read(self) -> dict[str, Any]:
        empty = {"run": 0, "tries": {}, "outcomes": [], "cancelled": False, "gone": False, "recorded": []}
        found: dict[str, Any] = json.loads(self._path.read_text()) if self._path.exists() else empty
        return found

    def _write(self, **changes: Any) -> None:
        written = self._path.with_suffix(".new")
        written.write_text(json.dumps({**self._read(), **changes}))
        written.replace(self._path)


@dataclass
class ManualTime:
    """A clock that moves when somebody waits."""

    at: int = 1_000_000
    waited: list[float] = field(default_factory=list)
    then: Callable[[], None] = lambda: None

    def time(self) -> Time:
        return Time(now=lambda: self.at, sleep=self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.at += max(1, round(1000 * seconds))
        self.then()


class FreeRates:
    """No bounds but what the server asks for."""

    def __init__(self) -> None:
        self.closed_until = 0

    async def take(self, channel: Channel, chat: str, now: int, *, is_group: bool) -> Slot:
        return Slot(self.closed_until <= now, max(0, self.closed_until - now))

    async def obey(self, channel: Channel, chat: str, now: int, later: TryLater) -> None:
        self.closed_until = now + round(1000 * later.seconds)


class Recorder(Channel):
    """A channel to a recipient that writes a line for each bubble into a file; with guids it drops a second one."""

    name = "recorder"
    capabilities = Capabilities(typing=True, guids=True)

    def __init__(self, path: Path, answer: Callable[[Bubble], str | None] = lambda _: None) -> None:
        self._path = path
        self._answer = answer
        self.typed = 0
        self.tries: list[str] = []

    @property
    def got(self) -> list[str]:
        return self._path.read_text().splitlines() if self._path.exists() else []

    async def receive(self, request: WebhookRequest) -> Sequence[Update]:
        return ()

    async def send(self, chat: str, bubble: Bubble) -> str:
        """What `answer` raises comes after the recipient has got it, unless the error says that nothing was sent."""
        self.tries.append(bubble.guid)
        try:
            self._answer(bubble)
        except OSError:
            self._take(bubble)
            raise
        self._take(bubble)
        return f"id-{bubble.guid}"

    async def show_typing(self, chat: str) -> None:
        self.typed += 1

    def _take(self, bubble: Bubble) -> None:
        line = f"{bubble.guid} {bubble.text}"
        if self.capabilities.guids and line in self.got:
            return
        with self._path.open("a") as file:
            file.write(line + "\n")


class PlainRecorder(Recorder):
    """The same to a recipient that takes whatever comes."""

    name = "plain"
    capabilities = Capabilities(typing=False, guids=False)

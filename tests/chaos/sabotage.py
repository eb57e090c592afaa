"""Removes one guard of the product, to see whether the checker notices: each function is a context without a guard.

RAYLOGUE_AGENTS may name `catalog` of this module. Then a process that starts while the file `sabotage` in the data
directory names one of these contexts works without that guard. The product itself has no switch for it.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from agents.agent import Catalog
from agents.conversation import Conversation, Receipt
from agents.conversation import journal as journal_module
from agents.conversation.history import History
from agents.conversation.journal import Journal
from agents.conversation.ownership import Ownership
from agents.conversation.runtime import ConversationRuntime
from agents.errors import Superseded
from agents.turn import answers
from agents.turn.events import ToolCall
from deployments.ingress.streams.watcher_state import WatcherState
from deployments.settings import Settings
from store.client.script import PARTS, LuaScript
from store.feed.entry import encode_notices
from store.log import log as log_module
from store.log.log import Log
from tests.chaos import agents

FENCE = ("if epoch ~= ARGV[1]", "if last_seq ~= ARGV[2]")
CLIENT_IDS = ("if known then return {'duplicate'",)
LATE_SECONDS = 0.2
_KEPT_OPEN: list[AbstractContextManager[None]] = []


@contextmanager
def without_fencing() -> Iterator[None]:
    """Every incarnation that has ever claimed a conversation may write."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_module, "APPEND", _without(log_module.APPEND, *FENCE))
        patch.setattr(Ownership, "confirm", _nothing)
        yield


@contextmanager
def telling_beside() -> Iterator[None]:
    """The feed is told by a write of its own, after the append."""
    append = Log.append

    async def append_then_tell(log: Log, claim: Any, records: Any, *, feed: Any = (), **options: Any) -> int:
        last_seq = await append(log, claim, records, **options)
        if feed:
            await asyncio.sleep(LATE_SECONDS)
            keys = log._keys.conversation(claim[0])
            names = [keys.feed.stream, keys.feed.groups, keys.meta]
            await log._client.run(TELLING, names, [claim[0], options["now"], encode_notices(feed)])
        return last_seq

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Log, "append", append_then_tell)
        yield


@contextmanager
def without_client_ids() -> Iterator[None]:
    """A message that comes twice is logged twice."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_module, "APPEND", _without(log_module.APPEND, *CLIENT_IDS))
        patch.setattr(History, "receipt", lambda *_: None)
        patch.setattr(Journal, "receipt", _nothing)
        yield


@contextmanager
def with_new_ids() -> Iterator[None]:
    """A tool gets another id than the one that is logged."""
    context_of = ConversationRuntime.tool_context

    def with_other_id(work: ConversationRuntime, command: Any, *rest: Any) -> Any:
        context = context_of(work, command, *rest)
        return replace(context, tool_call_id=f"{context.tool_call_id}-{work.journal.epoch}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ConversationRuntime, "tool_context", with_other_id)
        yield


@contextmanager
def without_reports() -> Iterator[None]:
    """A call that must not be repeated is repeated after a crash, like every other call."""
    decode = journal_module.decode

    def without_report(record: Any) -> Any:
        logged = decode(record)
        if isinstance(logged.event, ToolCall):
            return replace(logged, event=replace(logged.event, on_unknown_outcome="repeat"))
        return logged

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal_module, "decode", without_report)
        yield


@contextmanager
def acknowledging_early() -> Iterator[None]:
    """A message is acknowledged before it is written."""
    send = Conversation.send
    pending: set[asyncio.Task[None]] = set()

    async def acknowledge_first(conversation: Conversation, *arguments: Any) -> Receipt:
        seen = conversation.inspect()
        pending.add(asyncio.create_task(later(conversation, *arguments)))
        return Receipt(seen.last_seq + 1, seen.turn + 1)

    async def later(conversation: Conversation, *arguments: Any) -> None:
        await asyncio.sleep(LATE_SECONDS)
        with suppress(Superseded):
            await send(conversation, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Conversation, "send", acknowledge_first)
        yield


@contextmanager
def missing_an_event() -> Iterator[None]:
    """Watchers get no tool results, and do not learn that something is missing."""
    accept_canonical = WatcherState.accept_canonical

    def without_results(state: WatcherState, event: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        for shown in accept_canonical(state, event):
            if shown["type"] != "tool_result":
                yield shown

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WatcherState, "accept_canonical", without_results)
        yield


@contextmanager
def without_approval_policy() -> Iterator[None]:
    """A call that needs an approval runs at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answers, "_kind_of_wait", lambda _: None)
        yield


SABOTAGE: Mapping[str, Callable[[], AbstractContextManager[None]]] = {
    "without_fencing": without_fencing,
    "without_client_ids": without_client_ids,
}
"""The guards that a process of the service can lack."""


def catalog(settings: Settings) -> Catalog:
    """The agents of a run, in a process that may lack a guard."""
    file = settings.data_dir / "sabotage"
    if file.exists():
        without = SABOTAGE[file.read_text()]()
        without.__enter__()
        _KEPT_OPEN.append(without)  # kept while the process lives: an unreferenced context would end at once
    return agents.catalog(settings)


def _script(name: str, text: str) -> LuaScript:
    return LuaScript(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def _without(script: LuaScript, *guards: str) -> LuaScript:
    """The script without the lines that begin with these guards."""
    lines = script.text.splitlines()
    kept = [line for line in lines if not line.strip().startswith(guards)]
    assert len(lines) - len(kept) == len(guards), f"{script.name} must have one line for each of {guards}"
    return _script(script.name, "\n".join(kept))


TELLING = _script(
    "telling",
    (PARTS / "tell_feed.lua").read_text() + "tell_feed(KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2], ARGV[3])",
)


async def _nothing(*_: Any, **__: Any) -> None:
    return None

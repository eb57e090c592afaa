"""The log of a conversation: one writer claims it and appends, fenced by its epoch; store/log/reader.py reads it."""

import itertools
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from store.client.client import Client, Reply
from store.client.observer import AppendOutcome
from store.client.script import APPEND, CLAIM, LEAVE, Argument, pairs
from store.errors import Conflict, ConversationNotFound, DuplicateMessage, Fenced, NewerFormat, StoreError
from store.feed.entry import Notice, encode_notices
from store.key_groups import ConversationKeys
from store.keys import Keys
from store.log.archive_index import ArchiveIndex, WriterId
from store.log.reader import LogReader
from store.records import Claim, decode_meta
from store.registries.usage import OwnUsage

NO_TRACE = "-"
"""What the script takes in the place of a trace to remove the one that is known."""
NO_CLIENT_IDS: Mapping[str, int] = {}
REFUSALS: Mapping[type[StoreError], AppendOutcome] = {
    Fenced: "fenced",
    Conflict: "conflict",
    DuplicateMessage: "duplicate",
    ConversationNotFound: "gone",
}


def _never() -> bool:
    return False


class Log(LogReader):
    """Reads and writes the logs of all conversations."""

    def __init__(self, client: Client, keys: Keys, archive_index: ArchiveIndex) -> None:
        super().__init__(client, keys, archive_index)
        self._process = secrets.token_hex(6)
        self._counter = itertools.count()

    async def claim(
        self,
        conversation_id: str,
        place: str = "",
        *,
        cluster: str = "",
        reads: int | None = None,
        current: int | None = None,
        alone: bool = False,
    ) -> Claim:
        """Become the only writer: every earlier epoch is fenced. Raises ConversationNotFound.

        `place` says where the writer can be found: the name of the actor in which it lives, in `cluster`. Watchers are
        told the new epoch in the same step, so that from then on they ignore live events of an earlier one. `reads` is
        the newest format of records that the writer can read. If a writer with a newer format has had the conversation,
        NewerFormat is raised and no writer is fenced. The same holds for Fenced and an epoch that is not the `current`
        one: the caller knows that the writer of that epoch is gone, but nothing of another one. `alone` says that no
        other conversation lives in the writer's process.
        """
        keys = self._keys.conversation(conversation_id)
        arguments: list[Argument] = [place, keys.live, cluster, "" if reads is None else reads, conversation_id]
        claim_id = f"{self._process}-{next(self._counter)}"
        arguments += ["" if current is None else current, "1" if alone else "", claim_id]
        arguments.append(encode_notices([("conversation_moved", {"place": place})]))
        names = [keys.meta, keys.unfinished, keys.feed.stream, keys.feed.groups]
        flat = await self._client.retry(lambda: self._client.run_confirmed(CLAIM, names, arguments))
        if isinstance(flat, int):
            raise NewerFormat(conversation_id, flat)
        if not flat:
            raise ConversationNotFound(conversation_id)
        if len(flat) == 1:
            raise Fenced(conversation_id, current or 0, int(flat[0]))
        meta = decode_meta(conversation_id, pairs(flat))
        return Claim(conversation_id, meta.epoch, meta)

    async def leave(self, writer: WriterId, reason: str) -> None:
        """Note why the writer ends: one that is not heard of again counts as lost at the next claim.

        With the reason `failed` it counts as well. One that a newer writer has fenced is noted as `superseded`,
        whatever the reason. Tried once. Raises StoreUnavailable.
        """
        conversation_id, epoch = writer
        key = self._keys.conversation(conversation_id).meta
        arguments: list[Argument] = [epoch, reason]
        await self._client.retry_until(lambda: True, lambda: self._client.run(LEAVE, [key], arguments))

    async def append(
        self,
        claim: Claim | WriterId,
        records: Sequence[bytes],
        *,
        expected_last_seq: int,
        state: bytes,
        due_at: int | None,
        now: int,
        notice: bytes | None = None,
        feed: Sequence[Notice] = (),
        client_ids: Mapping[str, int] = NO_CLIENT_IDS,
        summary_seq: int | None = None,
        is_progress: bool = True,
        restores: bool = False,
        used: OwnUsage | None = None,
        trace: str | None = None,
        give_up: Callable[[], bool] = _never,
    ) -> int:
        """Write a batch, all or nothing, and return the new last seq.

        In the same step `state` is stored, the conversation enters the index of unfinished turns (due at `due_at` ms)
        or leaves it (None), `client_ids` (id -> seq) and the `summary_seq` of a summary in the batch are noted,
        `notice` is published, and the feed is told `feed`. After a batch that `is_progress` of its turn no earlier
        writer counts as lost. A batch that `restores` takes the conversation out of the archived ones. What
        the conversation has `used` is recorded.
        `trace` names the span of the unfinished turn: None leaves what is known, an empty text removes it.

        Raises Fenced, Conflict, DuplicateMessage or ConversationNotFound, with nothing written. After a lost
        connection, or when too few replicas have confirmed, the outcome is uncertain: the append is repeated under its
        own id, and the script looks for that id first, so it writes the batch once however often it arrives. That goes
        on until `give_up()` is true: then StoreUnavailable is raised, and only the log tells whether it was written.
        """
        conversation_id, epoch = (claim.conversation_id, claim.epoch) if isinstance(claim, Claim) else claim
        keys = self._keys.conversation(conversation_id)
        arguments: list[Argument] = [
            epoch,
            expected_last_seq,
            f"{self._process}-{next(self._counter)}",
            state,
            now,
            "" if due_at is None else due_at,
            conversation_id,
            keys.live,
            notice or b"",
            "" if summary_seq is None else summary_seq,
            "1" if is_progress else "",
            "1" if restores else "",
            encode_notices(feed),
            *(("", 0, 0) if used is None else (used.writer, used.sums.tokens, used.sums.cost)),
            "" if trace is None else trace or NO_TRACE,
            len(records),
            *records,
        ]
        for client_id, seq in client_ids.items():
            arguments += (client_id, seq)
        with self._observed_append():
            answer = await self._client.retry_until(give_up, lambda: self._run_append(keys, arguments))
            return _last_seq(answer, conversation_id, epoch, expected_last_seq)

    async def confirm(self, claim: Claim | WriterId, give_up: Callable[[], bool] = _never) -> None:
        """Return if the claim is still the newest one; repeated until Redis answers.

        Raises Fenced or ConversationNotFound, and StoreUnavailable once `give_up()` is true.
        """
        conversation_id, epoch = (claim.conversation_id, claim.epoch) if isinstance(claim, Claim) else claim
        key = self._keys.conversation(conversation_id).meta
        current: Reply = await self._client.retry_until(give_up, lambda: self._client.redis.hget(key, "epoch"))
        if current is None:
            raise ConversationNotFound(conversation_id)
        if int(current) != epoch:
            self._client.observer.note_fenced()
            raise Fenced(conversation_id, epoch, int(current))

    async def move_to_archive(self, writer: WriterId, archived: int, upto: int) -> int:
        """Move records after seq `archived`, up to `upto`, to the archive; return the last seq there.

        See `ArchiveIndex.move`.
        """
        return await self._archive_index.move(writer, archived, upto)

    @contextmanager
    def _observed_append(self) -> Iterator[None]:
        """Tell the observer how the append in the block has ended."""
        outcome: AppendOutcome = "unavailable"
        begun = time.monotonic()
        try:
            yield
            outcome = "written"
        except (Fenced, Conflict, DuplicateMessage, ConversationNotFound) as refused:
            outcome = REFUSALS[type(refused)]
            if outcome == "fenced":
                self._client.observer.note_fenced()
            raise
        finally:
            self._client.observer.note_append(outcome, time.monotonic() - begun)

    async def _run_append(self, keys: ConversationKeys, arguments: Sequence[Argument]) -> Reply:
        names = [keys.log, keys.meta, keys.clients, keys.unfinished, keys.feed.stream, keys.feed.groups, keys.usage]
        return await self._client.run_confirmed(APPEND, names, arguments)


def _last_seq(answer: Reply, conversation_id: str, epoch: int, expected_last_seq: int) -> int:
    match answer:
        case [b"written", last_seq]:
            return int(last_seq)
        case [b"fenced", current]:
            raise Fenced(conversation_id, epoch, int(current))
        case [b"conflict", last_seq]:
            raise Conflict(conversation_id, expected_last_seq, int(last_seq))
        case [b"duplicate", client_id, seq]:
            raise DuplicateMessage(conversation_id, client_id.decode(), int(seq))
        case _:
            raise ConversationNotFound(conversation_id)

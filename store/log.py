"""The log of a conversation: claimed, then appended to by one fenced writer, read both ways by anybody."""

import itertools
import secrets
from collections.abc import Callable, Mapping, Sequence

from store.client import Argument, Client, Reply
from store.errors import Conflict, ConversationNotFound, DuplicateMessage, Fenced, NewerFormat
from store.keys import ConversationKeys, Keys
from store.records import Claim, Record, decode_meta
from store.script import APPEND, CLAIM, PAGE

NO_CLIENT_IDS: Mapping[str, int] = {}


def _never() -> bool:
    return False


def pairs(flat: Sequence[bytes]) -> dict[bytes, bytes]:
    """A hash as scripts return it: field, value, field, value."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


class Log:
    """Reads and writes the logs of all conversations."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        self._process = secrets.token_hex(6)
        self._appends = itertools.count()

    async def claim(
        self, conversation_id: str, place: str = "", *, cluster: str = "", reads: int | None = None
    ) -> Claim:
        """Become the only writer: every earlier epoch is fenced. Raises ConversationNotFound.

        `place` is noted for those who look for the writer: the name of the actor in which it lives, in `cluster`.
        Watchers hear of the new epoch in the same step, so that from here on they take no live event of an earlier
        one. `reads` is the newest form of records that the writer can read: a conversation that one of a newer form
        has had is not for it. That raises NewerFormat and fences nobody.
        """
        keys = self._keys.conversation(conversation_id)
        arguments: list[Argument] = [place, keys.live, cluster, "" if reads is None else reads]
        flat = await self._client.ask(lambda: self._client.change(CLAIM, [keys.meta], arguments))
        if isinstance(flat, int):
            raise NewerFormat(conversation_id, flat)
        if not flat:
            raise ConversationNotFound(conversation_id)
        meta = decode_meta(conversation_id, pairs(flat))
        return Claim(conversation_id, meta.epoch, meta)

    async def append(
        self,
        claim: Claim | tuple[str, int],
        records: Sequence[bytes],
        *,
        expected_last_seq: int,
        state: bytes,
        due_at: int | None,
        now: int,
        notice: bytes | None = None,
        client_ids: Mapping[str, int] = NO_CLIENT_IDS,
        summary_seq: int | None = None,
        give_up: Callable[[], bool] = _never,
    ) -> int:
        """Write a batch, all or nothing, and return the new last seq.

        In the same step `state` is remembered, the conversation enters the index of unfinished turns (due at
        `due_at` ms) or leaves it (None), `client_ids` (id -> seq) and the `summary_seq` of a summary in the
        batch are noted, and `notice` is published.

        Raises Fenced, Conflict, DuplicateMessage or ConversationNotFound, with nothing written. A lost
        connection is an uncertain outcome: the append is repeated under its own id, and the script, which
        reads back first, writes it once however often it arrives. So are replicas that have not confirmed it.
        That goes on until `give_up()` is true: then StoreUnavailable, and only the log knows.
        """
        conversation_id, epoch = (claim.conversation_id, claim.epoch) if isinstance(claim, Claim) else claim
        keys = self._keys.conversation(conversation_id)
        arguments: list[Argument] = [
            epoch,
            expected_last_seq,
            f"{self._process}-{next(self._appends)}",
            state,
            now,
            "" if due_at is None else due_at,
            conversation_id,
            keys.live,
            notice or b"",
            "" if summary_seq is None else summary_seq,
            len(records),
            *records,
        ]
        for client_id, seq in client_ids.items():
            arguments += (client_id, seq)
        answer = await self._client.insist(lambda: self._run_append(keys, arguments), give_up)
        return _last_seq(answer, conversation_id, epoch, expected_last_seq)

    async def confirm(self, claim: Claim | tuple[str, int], give_up: Callable[[], bool] = _never) -> None:
        """Return when the claim is still the newest one, asking until Redis answers.

        Raises Fenced or ConversationNotFound, and StoreUnavailable once `give_up()` is true.
        """
        conversation_id, epoch = (claim.conversation_id, claim.epoch) if isinstance(claim, Claim) else claim
        key = self._keys.conversation(conversation_id).meta
        current: Reply = await self._client.insist(lambda: self._client.redis.hget(key, "epoch"), give_up)
        if current is None:
            raise ConversationNotFound(conversation_id)
        if int(current) != epoch:
            raise Fenced(conversation_id, epoch, int(current))

    async def seq_of(self, conversation_id: str, client_id: str) -> int | None:
        """Where the message with this client id is in the log, or None if it never arrived."""
        key = self._keys.conversation(conversation_id).clients
        seq = await self._client.ask(lambda: self._client.redis.hget(key, client_id))
        return None if seq is None else int(seq)

    async def read(self, conversation_id: str, *, after: int = 0, limit: int | None = None) -> list[Record]:
        """The records that follow seq `after`, oldest first; the first `limit` of them."""
        key = self._keys.conversation(conversation_id).log
        oldest = f"{after + 1}-0"
        entries: Reply = await self._client.ask(lambda: self._client.redis.xrange(key, min=oldest, count=limit))
        return [_record(entry) for entry in entries]

    async def read_back(self, conversation_id: str, *, before: int | None = None, limit: int) -> list[Record]:
        """The last `limit` records ahead of seq `before` (None: of the whole log), oldest first."""
        key = self._keys.conversation(conversation_id).log
        newest = "+" if before is None else f"{max(before - 1, 0)}-0"
        entries: Reply = await self._client.ask(lambda: self._client.redis.xrevrange(key, max=newest, count=limit))
        return [_record(entry) for entry in reversed(entries)]

    async def page(self, conversation_id: str, *, after: int = 0, limit: int, max_bytes: int) -> list[Record]:
        """What `read` gives, but no more records than it takes to have `max_bytes` together, and at least one."""
        entries = await self._page(conversation_id, "XRANGE", f"{after + 1}-0", "+", limit, max_bytes)
        return [_record(entry) for entry in entries]

    async def page_back(
        self, conversation_id: str, *, before: int | None = None, limit: int, max_bytes: int
    ) -> list[Record]:
        """What `read_back` gives, bounded as a `page` is."""
        newest = "+" if before is None else f"{max(before - 1, 0)}-0"
        entries = await self._page(conversation_id, "XREVRANGE", newest, "-", limit, max_bytes)
        return [_record(entry) for entry in reversed(entries)]

    async def _page(
        self, conversation_id: str, command: str, first: str, last: str, limit: int, max_bytes: int
    ) -> Sequence[Reply]:
        key = self._keys.conversation(conversation_id).log
        arguments: list[Argument] = [command, first, last, limit, max_bytes]
        entries: list[Reply] = await self._client.ask(lambda: self._client.run(PAGE, [key], arguments))
        return entries

    async def _run_append(self, keys: ConversationKeys, arguments: Sequence[Argument]) -> Reply:
        return await self._client.change(APPEND, [keys.log, keys.meta, keys.clients, keys.unfinished], arguments)


def _record(entry: Reply) -> Record:
    entry_id, fields = entry
    data = fields[1] if isinstance(fields, list) else fields[b"d"]  # a script's answer is as Redis gives it
    return Record(int(entry_id[:-2]), data)  # ids end in "-0"


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

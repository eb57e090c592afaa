"""Reads a log turn by turn: a copy never ends between a call and its result, nor in a turn that goes on elsewhere."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from agents.codec import decode
from agents.conversation.journal import receipt_ids
from agents.errors import UnreadableRecord
from agents.turn import Facts, Logged
from agents.turn.events import Summary
from agents.turn.facts import apply
from store import ConversationMeta, ConversationNotFound, Record, Store

MAX_PAGE_EVENTS = 250
MAX_PAGE_BYTES = 1024**2


@dataclass(slots=True)
class WholeTurns:
    """Records up to a point at which the conversation was at rest, and the `facts` there.

    `client_ids` are those of the messages (and calls and cancels, see `receipt_ids`) among them, by their seqs.
    """

    facts: Facts
    records: list[Record] = field(default_factory=list)
    client_ids: dict[str, int] = field(default_factory=dict)
    summary_seq: int | None = None


class TurnReader:
    """Takes records one by one, and gives them back once their turns are whole."""

    def __init__(self) -> None:
        self.facts = Facts()
        self._open = WholeTurns(self.facts)

    def add(self, record: Record, logged: Logged) -> None:
        """Raises KeyError if the record does not follow from the ones before."""
        self.facts = apply(self.facts, logged.event, logged.seq)
        self._open.records.append(record)
        self._open.client_ids |= receipt_ids([logged], self.facts)
        if isinstance(logged.event, Summary):
            self._open.summary_seq = logged.seq

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing is under way after the last record."""
        return not (self.facts.running or self.facts.queued or self.facts.calls)

    def take(self) -> WholeTurns:
        """What has come since this was last asked: whole turns, if it is asked at rest."""
        taken, taken.facts = self._open, self.facts
        self._open = WholeTurns(self.facts)
        return taken


async def read_whole_turns(store: Store, meta: ConversationMeta, seq: int | None = None) -> AsyncIterator[WholeTurns]:
    """The log up to seq `seq` (None: all), as far as the conversation was at rest there.

    A seq in the middle of a turn stands for the end of that turn; where that has not come yet, for the end of the turn
    before. Never more is in memory than one page and one turn. Raises ConversationNotFound, UnreadableRecord,
    and what a read may raise of the archive.
    """
    wanted = meta.last_seq if seq is None else min(seq, meta.last_seq)
    reader, reached = TurnReader(), 0
    while reached < wanted and reader.facts.last_seq < meta.last_seq:
        after = reader.facts.last_seq
        page = await read_page(store, meta, after)
        whole: WholeTurns | None = None
        for record in page[: meta.last_seq - after]:
            _add(reader, record)
            if reader.is_at_rest and (record.seq <= wanted or reached < wanted):
                reached = record.seq
                whole = _joined(whole, reader.take())
            if reached >= wanted:
                break
        if whole is not None:
            yield whole


async def read_page(store: Store, meta: ConversationMeta, after: int) -> Sequence[Record]:
    """The next records of a log that goes on behind seq `after`. Raises ConversationNotFound if it is deleted."""
    page = await store.log.page(meta.id, after=after, limit=MAX_PAGE_EVENTS, max_bytes=MAX_PAGE_BYTES)
    if not page:
        raise ConversationNotFound(meta.id)
    return page


def _add(reader: TurnReader, record: Record) -> None:
    try:
        reader.add(record, decode(record))
    except KeyError as error:
        raise UnreadableRecord(record.seq, f"there is no call {error}") from error


def _joined(first: WholeTurns | None, second: WholeTurns) -> WholeTurns:
    if first is None:
        return second
    first.records += second.records
    first.client_ids |= second.client_ids
    first.summary_seq = second.summary_seq or first.summary_seq
    first.facts = second.facts
    return first

"""Finds the conversations that a query asks for, a page at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deployments.access.principal import Principal
from deployments.indexes.cursor import decode_cursor, encode_cursor
from deployments.indexes.query import ListQuery, list_for, may_see
from deployments.indexes.search import Match, Search, words_of
from store import ConversationMeta, Store


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list; `next` is the cursor of the next one, `matches` says where the text of the query was found."""

    metas: Sequence[ConversationMeta]
    next: str | None
    matches: Mapping[str, Match]


async def find_conversations(store: Store, principal: Principal, query: ListQuery) -> Page:
    """A page of a list. Raises NotAllowed, BadCursor, StoreUnavailable.

    Each is shown by what its metadata says now, whatever an index has kept of it.
    """
    name = list_for(principal, query)
    sort, descending = query.sort, query.descending
    after = None if query.cursor is None else decode_cursor(query.cursor, sort, descending=descending)
    search = Search(store, words_of(query.text or ""), in_messages=query.text_in == "any")

    async def select(metas: Sequence[ConversationMeta]) -> list[bool]:
        accepted = [may_see(principal, query, meta) and query.accepts(meta) for meta in metas]
        return accepted if query.text is None else await search.select(metas, accepted)

    metas, position = await store.registry.list(
        name, limit=query.limit, sort=sort, descending=descending, after=after, select=select
    )
    following = None if position is None else encode_cursor(position, sort, descending=descending)
    return Page(metas, following, search.matches)

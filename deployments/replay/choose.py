"""Chooses the conversations of a replay: what its principal may read now, the newest first."""

from collections.abc import Sequence

from deployments.access.principal import Principal
from deployments.access.rights import rights_of
from deployments.indexes.find import find_conversations
from deployments.replay.where import Where
from store import ConversationMeta, ConversationNotFound, Store


async def choose_conversations(store: Store, principal: Principal, where: Where) -> Sequence[str]:
    """Their ids. Raises NotAllowed, BadCursor, StoreUnavailable; and ConversationNotFound for a named one that is not
    there for this principal.
    """
    if where.ids:
        for conversation_id in where.ids:
            await find_readable(store, principal, conversation_id)
        return where.ids[: where.limit]
    chosen: list[str] = []
    query = where.query
    while len(chosen) < where.limit:
        page = await find_conversations(store, principal, query)
        chosen += [meta.id for meta in page.metas if meta.last_seq]
        if page.next is None:
            break
        query = query.model_copy(update={"cursor": page.next})
    return list(dict.fromkeys(chosen))[: where.limit]


async def find_readable(store: Store, principal: Principal, conversation_id: str) -> ConversationMeta:
    """The conversation, if the principal may read it now; a sub-agent's is read by who may read its root.

    Raises ConversationNotFound, also for one that is another's.
    """
    meta = await store.registry.get(conversation_id)
    root = meta if meta.root == meta.id else await store.registry.get(meta.root)
    if "read" not in rights_of(principal, root.principal, root.members):
        raise ConversationNotFound(conversation_id)
    return meta

"""The registry of conversations: creates, renames and deletes them; store/registries/lookup.py looks them up."""

import secrets
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from store.client.client import Client, Reply
from store.client.script import ADD_CHILD, CREATE, DELETE, REMOVE_CHILD, SET_TITLE, Argument, pairs
from store.errors import ConversationExists, ConversationNotFound
from store.keys import Keys
from store.log.archive_index import ArchiveIndex
from store.records import ConversationMeta, Parent, Placement, decode_meta
from store.registries.lookup import ConversationLookup

ARCHIVED = 2
"""What delete.lua returns if the archive may have records of the conversation."""


class Registry(ConversationLookup):
    """Knows every conversation by its metadata. Every call may raise StoreUnavailable."""

    def __init__(self, client: Client, keys: Keys, archive_index: ArchiveIndex) -> None:
        super().__init__(client, keys)
        self._archive_index = archive_index

    async def create(
        self,
        conversation_id: str,
        *,
        agent: str,
        principal: str,
        channel: str = "web",
        title: str | None = None,
        parent: Parent | None = None,
        placement: Placement | None = None,
        now: int,
    ) -> ConversationMeta:
        """Register a new conversation with an empty log; a child is listed under its parent, not under its owner.

        Raises ConversationExists, and ConversationNotFound when the parent is gone.
        """
        fields: list[Argument] = ["agent", agent, "principal", principal, "channel", channel]
        if title is not None:
            fields += ["title", title]
        if placement is not None:
            fields += ["placement", placement]
        if parent is None:
            meta = await self._create(conversation_id, fields, now)
            await self.touch(principal, conversation_id, now)
            return meta
        fields += ["parent", parent.conversation_id, "parent_call", parent.tool_call_id, "parent_seq", parent.seq]
        fields += ["root", parent.root, "depth", parent.depth]
        # Listed before it exists, so that a crash in between leaves no child without an entry.
        mark = secrets.token_hex(8)
        await self._add_child(parent, conversation_id, f"?{mark}")
        meta = await self._create(conversation_id, fields, now)
        try:
            # And again, because the parent may have been deleted meanwhile, with all children that existed then.
            await self._add_child(parent, conversation_id, f"!{mark}")
        except ConversationNotFound:
            await self.delete(conversation_id)
            raise
        return meta

    async def rename(self, conversation_id: str, title: str, now: int) -> None:
        """Set the title. Raises ConversationNotFound."""
        await self._set_title(conversation_id, title, now, only_if_none=False)

    async def set_title_if_absent(self, conversation_id: str, title: str, now: int) -> bool:
        """Set the title if there is none, and tell whether it was set. Raises ConversationNotFound."""
        return await self._set_title(conversation_id, title, now, only_if_none=True)

    async def touch(self, principal: str, conversation_id: str, now: int) -> None:
        """Note activity in the principal's index; this also restores an entry that was lost."""
        owner_key = self._keys.owner(principal)
        await self._client.retry(lambda: self._client.redis.zadd(owner_key, {conversation_id: now}, gt=True))

    async def delete(self, conversation_id: str) -> None:
        """Delete a conversation and its children with everything that belongs to them; their writers find them gone.

        After a crash in between, the deletion can be repeated. Raises ConversationNotFound, and ArchiveUnavailable.
        """
        meta = await self.get(conversation_id)
        mark = await self._child_mark(meta)
        if meta.archived_seq is not None:  # first, while the metadata still says so
            await self._archive_index.drop(conversation_id)
        if meta.parent is None:
            owner_key = self._keys.owner(meta.principal)
            await self._client.retry(lambda: self._client.redis.zrem(owner_key, conversation_id))
        own = self._all_keys(conversation_id)
        while True:  # another child may be created while the known ones are deleted
            words = [conversation_id, *await self._delete_children(conversation_id)]
            deleted: Reply = await self._client.retry(partial(self._client.run_confirmed, DELETE, own, words))
            if deleted:
                break
        if deleted == ARCHIVED:  # and again, because its writer may have moved more meanwhile
            await self._archive_index.drop(conversation_id)
        if meta.parent is not None and mark is not None:
            children_key = self._keys.conversation(meta.parent).children
            await self._client.retry(lambda: self._client.run(REMOVE_CHILD, [children_key], [conversation_id, mark]))

    async def _create(self, conversation_id: str, fields: Sequence[Argument], now: int) -> ConversationMeta:
        meta_key = self._keys.conversation(conversation_id).meta
        arguments: Sequence[Argument] = [secrets.token_hex(8), now, *fields]
        flat = await self._client.retry(lambda: self._client.run_confirmed(CREATE, [meta_key], arguments))
        if not flat:
            raise ConversationExists(conversation_id)
        return decode_meta(conversation_id, pairs(flat))

    async def _add_child(self, parent: Parent, conversation_id: str, mark: str) -> None:
        keys = self._keys.conversation(parent.conversation_id)
        names = [keys.meta, keys.children]
        if not await self._client.retry(lambda: self._client.run_confirmed(ADD_CHILD, names, [conversation_id, mark])):
            raise ConversationNotFound(parent.conversation_id)

    async def _child_mark(self, meta: ConversationMeta) -> str | None:
        """The mark of this conversation in the list of its parent, if it is a child."""
        if meta.parent is None:
            return None
        children_key = self._keys.conversation(meta.parent).children
        mark: Reply = await self._client.retry(lambda: self._client.redis.hget(children_key, meta.id))
        return None if mark is None else str(mark.decode())

    async def _delete_children(self, conversation_id: str) -> list[str]:
        """Delete the children; return id and mark of the entries that have no child behind them."""
        empty: list[str] = []
        for name, mark, meta in await self._list_children(conversation_id):
            if meta is None:
                empty += [name, mark]
                continue
            with suppress(ConversationNotFound):  # it has been deleted meanwhile
                await self.delete(name)
        return empty

    def _all_keys(self, conversation_id: str) -> list[str]:
        """All keys of a conversation, in the order in which delete.lua takes them."""
        keys = self._keys.conversation(conversation_id)
        files = (keys.files.files, keys.files.contents, keys.files.totals)
        return [
            keys.meta,
            keys.unfinished,
            keys.children,
            keys.log,
            keys.clients,
            keys.segments,
            keys.usage,
            keys.model_calls,
            *files,
        ]

    async def _set_title(self, conversation_id: str, title: str, now: int, *, only_if_none: bool) -> bool:
        meta_key = self._keys.conversation(conversation_id).meta
        arguments: Sequence[Argument] = [title, now, int(only_if_none)]
        answer = await self._client.retry(lambda: self._client.run_confirmed(SET_TITLE, [meta_key], arguments))
        if answer is None:
            raise ConversationNotFound(conversation_id)
        was_set, principal, parent = answer
        if was_set and parent is None:
            await self.touch(principal.decode(), conversation_id, now)
        return bool(was_set)

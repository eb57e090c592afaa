"""The registry of conversations: creates, renames and deletes them; store/registries/lookup.py looks them up."""

import secrets
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from store.client.client import Client, Reply
from store.client.script import ADD_CHILD, CREATE, DELETE, REMOVE_CHILD, SET_ARCHIVED, SET_TITLE, Argument, pairs
from store.errors import ConversationExists, ConversationNotFound
from store.feed.entry import encode_notices
from store.feed.types import FEED_TYPES
from store.keys import Keys
from store.log.archive_index import ArchiveIndex
from store.records import ConversationMeta, Parent, Placement, decode_meta
from store.registries.lists import Lists, lists_of, title_key
from store.registries.lookup import ConversationLookup

CREATED_WITH = FEED_TYPES["conversation_created"]
"""Of what a conversation is created with, what the feed is told."""
ARCHIVED = 2
"""What delete.lua returns if the archive may have records of the conversation."""


class Registry(ConversationLookup):
    """Knows every conversation by its metadata. Every call may raise StoreUnavailable."""

    def __init__(self, client: Client, keys: Keys, archive_index: ArchiveIndex, lists: Lists) -> None:
        super().__init__(client, keys, lists)
        self._archive_index = archive_index

    async def create(
        self,
        conversation_id: str,
        *,
        agent: str,
        principal: str,
        channel: str = "api",
        title: str | None = None,
        parent: Parent | None = None,
        placement: Placement | None = None,
        project: str | None = None,
        now: int,
        in_lists: bool = True,
    ) -> ConversationMeta:
        """Register a new conversation with an empty log; a child is listed under its parent, not under its owner.

        Not `in_lists`, it is entered there by the consumer of the feed alone: a little later, and many together.

        Raises ConversationExists, and ConversationNotFound when the parent is gone.
        """
        fields: list[Argument] = ["agent", agent, "principal", principal, "channel", channel]
        if title is not None:
            fields += ["title", title]
        if placement is not None:
            fields += ["placement", placement]
        if project is not None:
            fields += ["project", project]
        if parent is None:
            meta = await self._create(conversation_id, fields, now)
            if in_lists:
                await self._lists.put([meta], now)
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

    async def rename(self, conversation_id: str, title: str, now: int, events: bytes = b"") -> None:
        """Set the title, and in the same step tell the watchers these live events. Raises ConversationNotFound.

        `events` is a JSON array.
        """
        await self._set_title(conversation_id, title, now, events, only_if_none=False)

    async def set_title_if_absent(self, conversation_id: str, title: str, now: int) -> bool:
        """Set the title if there is none, and tell whether it was set. Raises ConversationNotFound."""
        return await self._set_title(conversation_id, title, now, b"", only_if_none=True)

    async def set_archived(self, conversation_id: str, now: int, *, archived: bool, by: str | None = None) -> bool:
        """Put it out of the lists or back into them, and tell whether that is a change. Raises ConversationNotFound.

        `by` is who does it. Nothing else changes: it can be read and used, and a message of a person puts it back. The
        records of its log that are in the archive have nothing to do with it.
        """
        keys = self._keys.conversation(conversation_id)
        told = encode_notices([("conversation_archived" if archived else "conversation_restored", {"by": by})])
        arguments: Sequence[Argument] = ["1" if archived else "", now, conversation_id, told]
        names = [keys.meta, keys.feed.stream, keys.feed.groups]
        changed = await self._client.retry(lambda: self._client.run_confirmed(SET_ARCHIVED, names, arguments))
        if changed is None:
            raise ConversationNotFound(conversation_id)
        return bool(changed)

    async def delete(self, conversation_id: str, by: str | None = None) -> None:
        """Delete a conversation and its children with everything that belongs to them; their writers find them gone.

        The feed is told that principal `by` has done it.

        After a crash in between, the deletion can be repeated. Raises ConversationNotFound, and ArchiveUnavailable.
        """
        meta = await self.get(conversation_id)
        mark = await self._child_mark(meta)
        if meta.archived_seq is not None:  # first, while the metadata still says so
            await self._archive_index.drop(conversation_id)
        await self._lists.remove(lists_of(meta), meta)
        own = self._all_keys(conversation_id)
        while True:  # another child may be created while the known ones are deleted
            words = [conversation_id, self._keys.conversation(conversation_id).live, by or ""]
            words += await self._delete_children(conversation_id, by)
            deleted: Reply = await self._client.retry(partial(self._client.run_confirmed, DELETE, own, words))
            if deleted:
                break
        archived, fields = deleted
        last = decode_meta(conversation_id, pairs(fields)) if fields else meta  # a repetition finds nothing any more
        # And again: a message or a new title of a moment ago may have put it back.
        await self._lists.remove(lists_of(last), last)
        if archived == ARCHIVED:  # and again, because its writer may have moved more meanwhile
            await self._archive_index.drop(conversation_id)
        if meta.parent is not None and mark is not None:
            children_key = self._keys.conversation(meta.parent).children
            await self._client.retry(lambda: self._client.run(REMOVE_CHILD, [children_key], [conversation_id, mark]))

    async def _create(self, conversation_id: str, fields: Sequence[Argument], now: int) -> ConversationMeta:
        keys = self._keys.conversation(conversation_id)
        told = creation_notice(fields)
        arguments: Sequence[Argument] = [secrets.token_hex(8), now, conversation_id, told, *fields]
        names = [keys.meta, keys.feed.stream, keys.feed.groups]
        flat = await self._client.retry(lambda: self._client.run_confirmed(CREATE, names, arguments))
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

    async def _delete_children(self, conversation_id: str, by: str | None) -> list[str]:
        """Delete the children; return id and mark of the entries that have no child behind them."""
        empty: list[str] = []
        for name, mark, meta in await self._list_children(conversation_id):
            if meta is None:
                empty += [name, mark]
                continue
            with suppress(ConversationNotFound):  # it has been deleted meanwhile
                await self.delete(name, by)
        return empty

    def _all_keys(self, conversation_id: str) -> list[str]:
        """All keys of a conversation, in the order in which delete.lua takes them."""
        keys = self._keys.conversation(conversation_id)
        files = (keys.files.files, keys.files.contents, keys.files.totals)
        return [
            keys.meta,
            keys.unfinished,
            keys.feed.stream,
            keys.feed.groups,
            keys.children,
            keys.files.receipts,
            keys.log,
            keys.clients,
            keys.segments,
            keys.usage,
            keys.model_calls,
            keys.client_tools,
            keys.text,
            *files,
        ]

    async def _set_title(
        self, conversation_id: str, title: str, now: int, events: bytes, *, only_if_none: bool
    ) -> bool:
        keys = self._keys.conversation(conversation_id)
        told = encode_notices([("conversation_renamed", {"title": title})])
        arguments: Sequence[Argument] = [title, now, int(only_if_none), keys.live, events, conversation_id, told]
        names = [keys.meta, keys.feed.stream, keys.feed.groups]
        answer = await self._client.retry(lambda: self._client.run_confirmed(SET_TITLE, names, arguments))
        if answer is None:
            raise ConversationNotFound(conversation_id)
        was_set, title_before = answer
        if not was_set:
            return False
        for meta in await self.get_many([conversation_id]):
            await self._lists.put([meta], now)
            before = None if title_before is None else title_before.decode()
            if title_key(before) != title_key(meta.title):
                await self._lists.drop_title(lists_of(meta), conversation_id, before)
        return True


def creation_notice(fields: Sequence[Argument]) -> bytes:
    """What the feed is told of a conversation with these fields, given as pairs of name and value."""
    known = dict(zip(fields[::2], fields[1::2], strict=True))
    return encode_notices([("conversation_created", {name: known.get(name) for name in CREATED_WITH})])

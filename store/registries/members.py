"""The members of a conversation: others than its owner who may use it, each in a role."""

import orjson

from store.client.client import Client
from store.client.script import SET_MEMBER, Argument
from store.errors import ConversationNotFound
from store.feed.entry import encode_notices
from store.keys import Keys
from store.records import MEMBER
from store.registries.lists import Lists, of_principal
from store.registries.lookup import ConversationLookup


class Members:
    """Changes memberships; `ConversationMeta.members` has them. Every call may raise StoreUnavailable."""

    def __init__(self, client: Client, keys: Keys, lookup: ConversationLookup, lists: Lists) -> None:
        self._client = client
        self._keys = keys
        self._lookup = lookup
        self._lists = lists

    async def set(self, conversation_id: str, principal: str, role: str, now: int, by: str | None = None) -> None:
        """Make the principal a member with this role, and list the conversation for it; `by` is who does it.

        Raises ConversationNotFound.
        """
        await self._change(conversation_id, principal, role, now, by)
        await self._lists.put(await self._lookup.get_many([conversation_id]), now, [of_principal(principal)])

    async def remove(self, conversation_id: str, principal: str, now: int, by: str | None = None) -> bool:
        """End the membership, and tell whether there was one; `by` is who does it. Raises ConversationNotFound."""
        was_member = await self._change(conversation_id, principal, None, now, by)
        for meta in await self._lookup.get_many([conversation_id]):
            await self._lists.remove([of_principal(principal)], meta)
        return was_member

    async def announce(self, conversation_id: str) -> None:
        """Tell the processes that remember who has access to forget it, because the conversation is gone."""
        key = self._keys.conversation(conversation_id).meta
        message = (self._keys.access, key, _notice(conversation_id))
        await self._client.retry(lambda: self._client.publish([message]))

    async def _change(self, conversation_id: str, principal: str, role: str | None, now: int, by: str | None) -> bool:
        keys = self._keys.conversation(conversation_id)
        field = MEMBER.decode() + principal
        told = encode_notices([("members_changed", {"principal": principal, "role": role, "by": by})])
        arguments: list[Argument] = [field, role or "", self._keys.access, _notice(conversation_id)]
        arguments += [conversation_id, now, told]
        names = [keys.meta, keys.feed.stream, keys.feed.groups]
        changed = await self._client.retry(lambda: self._client.run_confirmed(SET_MEMBER, names, arguments))
        if changed is None:
            raise ConversationNotFound(conversation_id)
        return bool(changed)


def _notice(conversation_id: str) -> bytes:
    return orjson.dumps({"conversation_id": conversation_id})

"""Lets a request reach a conversation if its principal may; for all others there is no such conversation."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from deployments.access.errors import Concealed, NotAllowed
from deployments.access.principal import Principal, Scope
from deployments.access.rights import Part, Right, may_all, part_in, rights_of
from store import ConversationMeta, ConversationNotFound, Store, StoreError
from store.errors import MissedEvents
from store.principals import tenant_name_of

REMEMBERED_SECONDS: Final = 30.0
"""How long it counts who had access, should no notice come of a change."""
MAX_REMEMBERED: Final = 10_000
PAUSE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Sharing:
    """To whom a conversation belongs, and who else is in it; a child has its root's. `until` is monotonic."""

    root: str
    owner: str
    members: Mapping[str, str]
    until: float


class ConversationAccess:
    """One per replica. What it remembers saves the hot path a round trip; `run` makes it forget what has changed.

    It remembers who may, never who may not: a refusal is always of what the store says now.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: OrderedDict[str, Sharing] = OrderedDict()
        self._generation = 0
        self._listeners: list[Callable[[str | None], None]] = []

    async def require(self, principal: Principal, conversation_id: str, right: Right) -> None:
        """Raises ConversationNotFound, NotAllowed, StoreUnavailable; for operators its existence is not checked."""
        if may_all(principal, right):
            return
        known = self._known.get(conversation_id)
        if known is None or known.until < time.monotonic() or right not in _rights(principal, known):
            await self.get(principal, conversation_id, right)

    async def get(self, principal: Principal, conversation_id: str, right: Right) -> ConversationMeta:
        """The conversation as it is now. Raises ConversationNotFound, NotAllowed, StoreUnavailable."""
        asked_in = self._generation
        meta = await self._find(conversation_id)
        if meta is not None and may_all(principal, right):
            return meta
        is_root = meta is not None and meta.root == conversation_id
        # Without a conversation the same is read, so that a refusal takes as long.
        root = meta if is_root else await self._find(conversation_id if meta is None else meta.root)
        if meta is None or root is None:
            raise ConversationNotFound(conversation_id)
        sharing = self._remember(conversation_id, root, asked_in)
        rights = _rights(principal, sharing)
        if right in rights:
            return meta
        if "read" in rights:
            raise NotAllowed(f"your part in this conversation, or your credential, is not enough to {right}")
        raise Concealed(conversation_id, tenant_name_of(sharing.owner))

    async def part_in(self, principal: Principal, meta: ConversationMeta) -> Part:
        """The part of the principal in a conversation that it may read; in a child it is that in its root.

        Raises ConversationNotFound if it has been deleted meanwhile, and StoreUnavailable.
        """
        if meta.root == meta.id:
            return part_in(principal, meta.principal, meta.members)
        known = self._known.get(meta.id)
        if known is not None and known.until >= time.monotonic():
            return part_in(principal, known.owner, known.members)
        root = await self._store.registry.get(meta.root)
        return part_in(principal, root.principal, root.members)

    async def may_still(self, principal: Principal, conversation_id: str) -> bool:
        """Whether the principal may read it, from now on. Raises StoreUnavailable."""
        try:
            await self.get(principal, conversation_id, "read")
        except (ConversationNotFound, NotAllowed):
            return False
        return True

    def root_of(self, conversation_id: str) -> str | None:
        """The root of a conversation, as far as it is remembered; ask before it is forgotten."""
        known = self._known.get(conversation_id)
        return None if known is None else known.root

    def call_at_change(self, listener: Callable[[str | None], None]) -> None:
        """Have `listener` called with the id of each conversation whose members change; None: with any may have."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Until cancelled: forget who has access where that changes."""
        while True:
            try:
                await self._listen()
            except StoreError:
                await asyncio.sleep(PAUSE_SECONDS)

    async def _listen(self) -> None:
        async with self._store.subscriptions.subscribe_to_access() as changes:
            self._forget(None)
            while True:
                try:
                    changed: str = (await changes.get())["conversation_id"]
                except MissedEvents:
                    self._forget(None)
                else:
                    self._forget(changed)

    def _forget(self, conversation_id: str | None) -> None:
        self._generation += 1
        for listener in self._listeners:
            listener(conversation_id)
        if conversation_id is None:
            self._known.clear()
        else:
            for name in [name for name, known in self._known.items() if conversation_id in (name, known.root)]:
                del self._known[name]

    def _remember(self, conversation_id: str, root: ConversationMeta, asked_in: int) -> Sharing:
        sharing = Sharing(root.id, root.principal, root.members, time.monotonic() + REMEMBERED_SECONDS)
        if asked_in != self._generation:
            return sharing  # it may have changed while it was read
        self._known[conversation_id] = sharing
        self._known.move_to_end(conversation_id)
        if len(self._known) > MAX_REMEMBERED:
            self._known.popitem(last=False)
        return sharing

    async def _find(self, conversation_id: str) -> ConversationMeta | None:
        try:
            return await self._store.registry.get(conversation_id)
        except ConversationNotFound:
            return None


def require_scope(principal: Principal, scope: Scope) -> None:
    """For what belongs to no conversation. Raises NotAllowed."""
    if scope not in principal.scopes:
        raise NotAllowed(f"your credential is not for this: it lacks the scope {scope}")


def require_operator(principal: Principal) -> None:
    """Raises NotAllowed."""
    if not principal.acts_as("operator"):
        raise NotAllowed("this is for operators")


def _rights(principal: Principal, sharing: Sharing) -> frozenset[Right]:
    return rights_of(principal, sharing.owner, sharing.members)

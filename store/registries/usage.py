"""What was used, in tokens and money: by a conversation in its lifetime, by a person on a day."""

from dataclasses import dataclass

from store.client.client import Client, Reply
from store.client.script import RECORD_USAGE, Argument
from store.errors import ConversationNotFound
from store.keys import Keys

CONVERSATION = "conversation:"


@dataclass(frozen=True, slots=True)
class UsageTotal:
    """Tokens of both directions, and their cost in millionths of a US dollar."""

    tokens: int
    cost: int


class UsageRecord:
    """Adds up what is recorded in a scope: `conversation:<id>`, or any other text such as `person:<id>:<day>`."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def record(self, scope: str, key: str, *, tokens: int, cost: int, lifetime: int | None) -> None:
        """Set what the work called `key` used; recorded again, it replaces the earlier record.

        The scope is deleted `lifetime` seconds after its last record; None for a conversation, whose usage is deleted
        with it. Raises ConversationNotFound, and ValueError for a scope without an end.
        """
        own = self._conversation(scope)
        if (own is None) == (lifetime is None):
            raise ValueError(f"the usage of {scope!r} needs an end: that of its conversation or a lifetime")
        names = [self._key(scope)]
        if own is not None:
            names.append(self._keys.conversation(own).meta)
        arguments: list[Argument] = [key, tokens, cost, "" if lifetime is None else lifetime]
        recorded = await self._client.retry(lambda: self._client.run(RECORD_USAGE, names, arguments))
        if not recorded:
            raise ConversationNotFound(own or scope)

    async def total(self, scope: str) -> UsageTotal:
        """The sums of a scope; zero if nothing was ever recorded."""
        key = self._key(scope)
        sums: Reply = await self._client.retry(lambda: self._client.redis.hmget(key, ["tokens", "cost"]))
        tokens, cost = (int(value or 0) for value in sums)
        return UsageTotal(tokens, cost)

    def _conversation(self, scope: str) -> str | None:
        return scope.removeprefix(CONVERSATION) if scope.startswith(CONVERSATION) else None

    def _key(self, scope: str) -> str:
        own = self._conversation(scope)
        return self._keys.spent(scope) if own is None else self._keys.conversation(own).usage

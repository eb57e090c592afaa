"""A lease: of all processes that ask for it one has it, for as long as it renews it."""

from store.client.client import Client
from store.client.script import HOLD_LEASE, Argument


class Lease:
    """The lease that is kept under `key`. Every call may raise StoreUnavailable."""

    def __init__(self, client: Client, key: str) -> None:
        self._client = client
        self._key = key

    async def hold(self, holder: str, milliseconds: int) -> bool:
        """Take or renew it; whether the holder has it from now on, for so long."""
        return await self._ask(holder, milliseconds)

    async def release(self, holder: str) -> None:
        """Give it back; one that is another's stays."""
        await self._ask(holder, 0)

    async def _ask(self, holder: str, milliseconds: int) -> bool:
        arguments: list[Argument] = [holder, milliseconds]
        return bool(await self._client.retry(lambda: self._client.run(HOLD_LEASE, [self._key], arguments)))

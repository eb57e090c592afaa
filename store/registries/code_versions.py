"""The releases of the code that have been deployed, numbered in their order: whoever has a lower number is older."""

from store.client.client import Argument, Client, Reply
from store.client.script import REGISTER
from store.keys import Keys

REMEMBERED = 1000
"""How many deployments keep their numbers; none of so long ago has a part left that could start again."""


class CodeVersions:
    """Numbers begin with 1 and grow with every deployment of other code, an earlier one's included."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def register(self, deployment: str, code: str) -> int:
        """The number of a deployment: given once, and the same for all of its parts, however often they start."""
        return await self._number(deployment, code)

    async def number_of(self, code: str) -> int:
        """The number of that code if it is the current one, otherwise 0: older than all that was deployed."""
        return await self._number("", code)

    async def current(self) -> int:
        """The newest release; 0 if there has been none."""
        number: Reply = await self._client.ask(lambda: self._client.redis.hget(self._keys.release, "number"))
        return int(number or 0)

    async def _number(self, deployment: str, code: str) -> int:
        keys = [self._keys.release, self._keys.deployments]
        arguments: list[Argument] = [deployment, code, REMEMBERED]
        return int(await self._client.ask(lambda: self._client.run(REGISTER, keys, arguments)))

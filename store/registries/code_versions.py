"""The versions of the code that have been deployed, numbered in their order: a lower number is older code."""

from store.client.client import Client, Reply
from store.client.script import REGISTER_CODE_VERSION, Argument
from store.keys import Keys

MAX_DEPLOYMENTS = 1000
"""How many deployments keep their numbers; of an older one no process is left that could start again."""


class CodeVersions:
    """Numbers begin with 1 and grow with every deployment of other code, also when it goes back to earlier code."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def register(self, deployment: str, code: str) -> int:
        """The number of a deployment: given once, and the same for all of its processes, however often they start."""
        return await self._number(deployment, code)

    async def number_of(self, code: str) -> int:
        """The number of this code if it is the current one, otherwise 0: older than everything deployed."""
        return await self._number("", code)

    async def current(self) -> int:
        """The newest number; 0 before the first deployment."""
        number: Reply = await self._client.retry(lambda: self._client.redis.hget(self._keys.code_version, "number"))
        return int(number or 0)

    async def _number(self, deployment: str, code: str) -> int:
        keys = [self._keys.code_version, self._keys.deployments]
        arguments: list[Argument] = [deployment, code, MAX_DEPLOYMENTS]
        return int(await self._client.retry(lambda: self._client.run(REGISTER_CODE_VERSION, keys, arguments)))

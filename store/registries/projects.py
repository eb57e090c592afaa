"""The members of projects: who may name a project, and use its files."""

from collections.abc import Mapping
from typing import Literal

from store.client.client import Client, Reply
from store.client.script import ADD_TO_PROJECT, HAND_OVER_PROJECT, REMOVE_FROM_PROJECT, USE_PROJECT
from store.keys import Keys

ProjectRole = Literal["owner", "member"]


class Projects:
    """Projects by id, which is `tenant/name`, or the name where there are no tenants. Each may raise StoreUnavailable.

    A project is there once a principal has used it, and stays: its files may be found again.
    """

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def use(self, project_id: str, principal: str) -> ProjectRole | None:
        """The role of the principal; a project that there is not yet is made, and the principal owns it."""
        key = self._keys.project(project_id)
        return _role(await self._client.retry(lambda: self._client.run_confirmed(USE_PROJECT, [key], [principal])))

    async def role(self, project_id: str, principal: str) -> ProjectRole | None:
        """The role of the principal; None: it is no member, or there is no such project."""
        key = self._keys.project(project_id)
        found: Reply = await self._client.retry(lambda: self._client.redis.hget(key, principal))
        return _role(found)

    async def members(self, project_id: str) -> Mapping[str, str]:
        """All members with their roles; none: there is no such project."""
        key = self._keys.project(project_id)
        found: Reply = await self._client.retry(lambda: self._client.redis.hgetall(key))
        return {principal.decode(): role.decode() for principal, role in found.items()}

    async def add(self, project_id: str, principal: str, limit: int) -> bool | None:
        """Make the principal a member; False: the project has `limit` already, None: there is no such project."""
        key = self._keys.project(project_id)
        added = await self._client.retry(lambda: self._client.run_confirmed(ADD_TO_PROJECT, [key], [principal, limit]))
        return None if added is None else bool(added)

    async def hand_over(self, project_id: str, principal: str) -> bool | None:
        """Make a member the owner, and the owner a member; False: it is no member, None: there is no such project."""
        key = self._keys.project(project_id)
        done = await self._client.retry(lambda: self._client.run_confirmed(HAND_OVER_PROJECT, [key], [principal]))
        return None if done is None else bool(done)

    async def remove(self, project_id: str, principal: str) -> bool:
        """End a membership; False: it is the owner, who stays."""
        key = self._keys.project(project_id)
        removed = await self._client.retry(lambda: self._client.run_confirmed(REMOVE_FROM_PROJECT, [key], [principal]))
        return bool(removed)


def _role(found: bytes | None) -> ProjectRole | None:
    return None if found is None else "owner" if found == b"owner" else "member"

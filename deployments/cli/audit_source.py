"""Where the commands about the audit read it: in the store itself, or as the service allows it."""

from collections.abc import AsyncIterator
from typing import Protocol

from deployments.cli.api import ApiClient, JsonObject
from store import Store
from store.audit.lines import AuditLine, Head, parse_exported
from store.audit.search import AuditQuery, search
from store.audit.verify import Verification, verify_lines, verify_stored


class AuditSource(Protocol):
    """What the commands need; a tenant that is None is one's own, which only a service knows."""

    async def heads(self, tenant: str | None) -> list[Head]:
        """Of the tenant, or of all that one may read."""

    def export(self, tenant: str | None) -> AsyncIterator[bytes]:
        """All lines as JSON Lines, a piece at a time."""

    async def find(
        self, tenant: str | None, query: AuditQuery, limit: int, before: int | None
    ) -> tuple[list[JsonObject], int | None]:
        """A page of lines, newest first, and where the next one begins."""

    async def verify(self, head: Head, witness: Head | None) -> Verification:
        """Verify the chain that ends with `head`."""


class StoreSource:
    """In the store itself."""

    def __init__(self, store: Store) -> None:
        self._audit = store.audit

    async def heads(self, tenant: str | None) -> list[Head]:
        names = await self._audit.tenants() if tenant is None else [tenant]
        return [await self._audit.head(name) for name in names]

    async def export(self, tenant: str | None) -> AsyncIterator[bytes]:
        for name in await self._audit.tenants() if tenant is None else [tenant]:
            async for line in self._audit.read_all(name):
                yield line.exported()

    async def find(
        self, tenant: str | None, query: AuditQuery, limit: int, before: int | None
    ) -> tuple[list[JsonObject], int | None]:
        assert tenant is not None
        found, following = await search(self._audit, tenant, query, limit=limit, before=before)
        return [line.fields() for line in found], following

    async def verify(self, head: Head, witness: Head | None) -> Verification:
        return await verify_stored(self._audit, head.tenant, witness)


class ServiceSource:
    """As the service shows it to the principal of the key."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def heads(self, tenant: str | None) -> list[Head]:
        return [Head(**head) for head in self._client.audit_heads(tenant)]

    async def export(self, tenant: str | None) -> AsyncIterator[bytes]:
        for piece in self._client.export_audit(tenant):
            yield piece

    async def find(
        self, tenant: str | None, query: AuditQuery, limit: int, before: int | None
    ) -> tuple[list[JsonObject], int | None]:
        asked = {
            "tenant": tenant,
            "type": query.type,
            "principal": query.principal,
            "conversation": query.conversation_id,
            "since": query.since,
            "until": query.until,
            "limit": limit,
            "cursor": before,
        }
        page = self._client.find_audit(asked)
        return page["lines"], page["next"]

    async def verify(self, head: Head, witness: Head | None) -> Verification:
        return await verify_lines(self._lines(head), head.tenant, head=head, witness=witness)

    async def _lines(self, head: Head) -> AsyncIterator[AuditLine]:
        async for line in parse_pieces(self.export(head.tenant)):
            if line.seq <= head.seq:
                yield line


async def parse_pieces(pieces: AsyncIterator[bytes]) -> AsyncIterator[AuditLine]:
    """The lines in an export that comes in pieces. Raises ValueError for what is no line of an audit."""
    left = b""
    async for piece in pieces:
        *whole, left = (left + piece).split(b"\n")
        for text in whole:
            yield parse_exported(text)
    if left.strip():
        yield parse_exported(left)

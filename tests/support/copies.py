"""Files of conversations, as the tests of exports and imports make and read them."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson

from agents.copies.export import export
from agents.copies.import_file import ImportOptions, import_file
from store import ConversationMeta, Store

NOW = 1_800_000_000_000


async def exported(store: Store, conversation_id: str) -> list[bytes]:
    """The lines of its file."""
    meta = await store.registry.get(conversation_id)
    return b"".join([part async for part in export(store, meta, NOW)]).splitlines()


async def keep_project(_: str, project: str) -> str:
    return project


async def imported(store: Store, lines: Sequence[bytes], name: str | None = None, **options: Any) -> ConversationMeta:
    """Read the lines into a conversation of that name, or of its former one; everything is allowed."""
    allowed = {
        "id_of": lambda former: name or former,
        "is_id": lambda _: True,
        "owner_of": lambda owner: owner,
        "project_of": keep_project,
        "is_agent": lambda _: True,
    }

    async def each() -> AsyncIterator[bytes]:
        for line in lines:
            yield line

    return await import_file(store, each(), ImportOptions(**{**allowed, **options}), NOW)


def sealed(lines: Sequence[bytes]) -> list[bytes]:
    """The same lines with an end that is true: what a writer of forged files would do."""
    *kept, end = lines
    written = orjson.loads(end)
    written["end"]["sha256"] = hashlib.sha256(b"".join(line + b"\n" for line in kept)).hexdigest()
    return [*kept, orjson.dumps(written)]

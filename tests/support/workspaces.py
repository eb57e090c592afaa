"""Tool calls at the files of a real store, without a turn around them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from agents.clock import now_ms
from agents.middleware.file_system import FileSystem
from agents.services import Services
from agents.tools import ToolContext, run_tool
from agents.tools.tool import ToolOutcome
from agents.turn.live import FileChanged, LiveEvent
from store import ConversationMeta, Scope, Store


@dataclass
class Worker:
    """A conversation of Ada's that works on files; `told` keeps the live events."""

    store: Store
    meta: ConversationMeta
    file_system: FileSystem
    told: list[LiveEvent] = field(default_factory=list)
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    async def call(self, name: str, tool_call_id: str | None = None, **arguments: Any) -> ToolOutcome:
        """Run a tool, under a new id if none is given."""
        tool = next(tool for tool in self.file_system.tools() if tool.name == name)
        context = ToolContext(
            conversation_id=self.meta.id,
            tool_call_id=tool_call_id or f"call_{next(self.numbers)}",
            turn=1,
            principal=self.meta.principal,
            tell=self.told.append,
            meta=self.meta,
            services=Services(self.store),
        )
        return await run_tool(tool, arguments, context)

    async def done(self, name: str, **arguments: Any) -> str:
        """What a call that succeeds says."""
        outcome = await self.call(name, **arguments)
        assert outcome.status == "ok", outcome
        return str(outcome.content)

    async def refused(self, name: str, **arguments: Any) -> str:
        """What a call that fails says."""
        outcome = await self.call(name, **arguments)
        assert outcome.status == "error", outcome
        return str(outcome.content)

    async def content(self, path: str) -> str:
        scope, inner = self.file_system.resolve(path, self.meta)
        return (await self.store.files.read(scope, inner)).content.decode()

    async def put(self, path: str, content: bytes) -> None:
        """As a person does it on the page."""
        scope, inner = self.file_system.resolve(path, self.meta)
        await self.store.files.write(scope, inner, content, expected_version=None, now=now_ms())

    @property
    def changes(self) -> Sequence[tuple[str, int | None]]:
        return [(event.path, event.version) for event in self.told if isinstance(event, FileChanged)]

    async def paths(self) -> list[str]:
        """All files of all places."""
        scopes: dict[str, Scope] = self.file_system.scopes(self.meta)
        return [
            f"{name}/{info.path}" if name else info.path
            for name, scope in scopes.items()
            for info in await self.store.files.list(scope)
        ]


async def worker(
    store: Store, file_system: FileSystem | None = None, conversation_id: str = "c", principal: str = "ada"
) -> Worker:
    """A new conversation with files: its own, and under `me` those of its owner."""
    await store.registry.create(conversation_id, agent="clerk", principal=principal, now=now_ms())
    meta = await store.registry.get(conversation_id)
    return Worker(store, meta, file_system or FileSystem({"": "conversation", "me": "user"}))

"""Calls of the file tools on a real store, without a turn around them."""

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
class FileConversation:
    """A conversation whose files the tools work on; `live_events` has what they broadcast."""

    store: Store
    meta: ConversationMeta
    file_system: FileSystem
    live_events: list[LiveEvent] = field(default_factory=list)
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    async def call(self, name: str, tool_call_id: str | None = None, **arguments: Any) -> ToolOutcome:
        """Run a tool, under a new id if none is given."""
        tool = next(tool for tool in self.file_system.tools() if tool.name == name)
        context = ToolContext(
            conversation_id=self.meta.id,
            tool_call_id=tool_call_id or f"call_{next(self.numbers)}",
            turn=1,
            principal=self.meta.principal,
            tell=self.live_events.append,
            meta=self.meta,
            services=Services(self.store),
        )
        return await run_tool(tool, arguments, context)

    async def succeed(self, name: str, **arguments: Any) -> str:
        """The result of a call that must succeed."""
        outcome = await self.call(name, **arguments)
        assert outcome.status == "ok", outcome
        return str(outcome.content)

    async def fail(self, name: str, **arguments: Any) -> str:
        """The error of a call that must fail."""
        outcome = await self.call(name, **arguments)
        assert outcome.status == "error", outcome
        return str(outcome.content)

    async def content(self, path: str) -> str:
        """What a file holds."""
        scope, inner = self.file_system.mounts.resolve(path, self.meta)
        return (await self.store.files.read(scope, inner)).content.decode()

    async def put(self, path: str, content: bytes) -> None:
        """Write a file as a person does on the page."""
        scope, inner = self.file_system.mounts.resolve(path, self.meta)
        await self.store.files.write(scope, inner, content, expected_version=None, now=now_ms())

    @property
    def changes(self) -> Sequence[tuple[str, int | None]]:
        """The file changes that were broadcast: path and version."""
        return [(event.path, event.version) for event in self.live_events if isinstance(event, FileChanged)]

    async def paths(self) -> list[str]:
        """All files of all mounts."""
        scopes: dict[str, Scope] = self.file_system.mounts.scopes(self.meta)
        return [
            f"{name}/{info.path}" if name else info.path
            for name, scope in scopes.items()
            for info in await self.store.files.list(scope)
        ]


async def file_conversation(
    store: Store, file_system: FileSystem | None = None, conversation_id: str = "c", principal: str = "ada"
) -> FileConversation:
    """A new conversation with files: its own, and under `me` those of its owner."""
    await store.registry.create(conversation_id, agent="clerk", principal=principal, now=now_ms())
    meta = await store.registry.get(conversation_id)
    return FileConversation(store, meta, file_system or FileSystem({"": "conversation", "me": "user"}))

"""FileSystem: files that outlive the turn, under mounts that the agent's author names; agents may share a mount."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from agents.errors import AgentDefinitionError
from agents.middleware.file_system.mounts import Mounted, Mounts
from agents.middleware.file_system.tools import FileTools
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import TurnContext
from agents.tools import Tool
from store import ConversationMeta, Scope
from store.errors import BadPath

if TYPE_CHECKING:
    from agents.agent import Agent

TEACHING = """\
# Files
You keep files under relative paths such as notes/plan.md. Read a file before you edit it. Others may work on the same
files at the same time, so a file can differ from what you wrote."""


class FileSystem(Middleware):
    """`mounts` maps the first part of a path to the files it leads to; "" has all other paths.

    `read_only` are mounts, directories and files that the model cannot change; people can.
    """

    def __init__(self, mounts: Mapping[str, Mounted] | None = None, read_only: Sequence[str] = ()) -> None:
        self.mounts = Mounts({"": "conversation"} if mounts is None else mounts, read_only)
        self._tools = FileTools(self.mounts).tools

    def init(self, agent: "Agent") -> None:
        try:
            self.mounts.check()
        except (BadPath, ValueError) as error:
            raise AgentDefinitionError(agent.name, f"its FileSystem: {error}") from error

    def resolve(self, path: str, meta: ConversationMeta) -> tuple[Scope, str]:
        """The scope to which a path of this conversation leads, and the path in it. Raises `store.errors.BadPath`."""
        return self.mounts.resolve(path, meta)

    def scopes(self, meta: ConversationMeta) -> dict[str, Scope]:
        """The conversation's mounts by name."""
        return {name: self.mounts.scope(name, meta) for name in self.mounts.by_name}

    def tools(self) -> Sequence[Tool]:
        return self._tools

    async def system_prompt(self, context: TurnContext) -> str:
        lines = [f"- {name}/: {_describe(mounted)}" for name, mounted in self.mounts.by_name.items() if name]
        read_only = (
            [f"You can read, but not change: {', '.join(self.mounts.read_only)}."] if self.mounts.read_only else []
        )
        return "\n".join([TEACHING, *lines, *read_only])


def _describe(mounted: Mounted) -> str:
    match mounted:
        case "conversation":
            return "files of this conversation"
        case "user":
            return "the user's own files, the same in all conversations"
        case (_, project):
            return f"files of the project {project}"

"""FileSystem: files that outlive the turn, under mounts that the agent's author names; agents may share a mount."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from agents.definition_checks import check_middleware, element_problems, list_problems, shown, text_problems
from agents.errors import AgentDefinitionError
from agents.middleware.file_system.mounts import Mounted, Mounts, open_mounts
from agents.middleware.file_system.tools import FileTools
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.store_retry import retry_while_store_is_away
from agents.middleware.pipeline.turn_context import TurnContext
from agents.tools import Tool
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
        check_middleware(
            "FileSystem",
            () if mounts is None else _mount_problems(mounts),
            list_problems("read_only", read_only, "paths"),
            element_problems("read_only", read_only, text_problems),
        )
        self.mounts = Mounts({"": "conversation"} if mounts is None else mounts, read_only)
        self._tools = FileTools(self.mounts).tools

    def init(self, agent: "Agent") -> None:
        try:
            self.mounts.check()
        except (BadPath, ValueError) as error:
            raise AgentDefinitionError(agent.name, f"its FileSystem: {error}") from error

    def tools(self) -> Sequence[Tool]:
        return self._tools

    async def system_prompt(self, context: TurnContext) -> str:
        mounts = await retry_while_store_is_away(
            lambda: open_mounts(self.mounts, context.meta, context.services.store, context.principal)
        )
        project = context.meta.project
        lines = [f"- {name}/: {_describe(mounted, project)}" for name, mounted in mounts.by_name.items() if name]
        read_only = [f"You can read, but not change: {', '.join(mounts.read_only)}."] if mounts.read_only else []
        return "\n".join([TEACHING, *lines, *read_only])


def _mount_problems(mounts: object) -> Iterator[str]:
    if not isinstance(mounts, Mapping):
        yield f'mounts is a mapping such as {{"": "conversation", "shared": ("project", "site")}}, not {shown(mounts)}'
        return
    for name, mounted in mounts.items():
        yield from text_problems("each key of mounts", name)
        match mounted:
            case "conversation" | "user" | "project" | ("project", str()):
                continue
        yield f'mounts[{name!r}] is "conversation", "user", "project" or ("project", id), not {shown(mounted)}'


def _describe(mounted: Mounted, project: str | None) -> str:
    match mounted:
        case "conversation":
            return "files of this conversation"
        case "user":
            return "the user's own files, the same in all conversations"
        case "project":
            return f"files of the project {project}"
        case (_, given):
            return f"files of the project {project or given}"

"""Where a path leads: each mount of an agent's file system is a scope of the store under a name."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal

from store import ConversationMeta, Store
from store.errors import BadPath
from store.files.files import Scope
from store.files.paths import check_path

Mounted = Literal["conversation", "user", "project"] | tuple[Literal["project"], str]
"""The conversation's own files, its owner's, or those of its project. A sub-agent uses its root conversation's.

With an id, a conversation that names no project uses the files of that one.
"""

INSTRUCTIONS = "instructions.md"
"""The file among a user's files that instructs every agent.

No agent may write it: a document that an agent reads could otherwise change the agent's instructions.
"""


class Mounts:
    """The mounts of an agent by name: the first part of a path, or "" for the mount of all other paths.

    `closed` are the names of further ones, which the person who acts may not use.
    """

    def __init__(self, by_name: Mapping[str, Mounted], read_only: Sequence[str], closed: Collection[str] = ()) -> None:
        self.by_name = dict(by_name)
        self.closed = frozenset(closed)
        self.read_only = tuple(path.rstrip("/") for path in read_only)
        instructions = (join(name, INSTRUCTIONS) for name, mounted in by_name.items() if mounted == "user")
        self._protected = (*self.read_only, *instructions)

    def resolve(self, path: str, meta: ConversationMeta) -> tuple[Scope, str]:
        """The scope and the path in it, "" for the mount itself. Raises `store.errors.BadPath`."""
        name, inner = self.split(path)
        return self.scope(name, meta), inner

    def split(self, path: str) -> tuple[str, str]:
        """The name of the mount and the path in it. Raises `store.errors.BadPath`."""
        if path:
            check_path(path)
        name, _, inner = path.partition("/")
        if name and name in self.by_name:
            return name, inner
        if "" in self.by_name:
            return "", path
        known = ", ".join(f"{name}/" for name in self.by_name)
        raise BadPath(path, f"it has to begin with one of {known}" if known else "there are no files for you here")

    def scope(self, name: str, meta: ConversationMeta) -> Scope:
        """The scope of a mount in this conversation. Raises `store.errors.BadPath` if there is none, see `open_to`."""
        mounted = self.by_name[name]
        if mounted == "conversation":
            return Scope("conversation", meta.root)
        if mounted == "user":
            return Scope("user", meta.principal)
        project = meta.project_id or (None if mounted == "project" else mounted[1])
        if project is None:
            raise BadPath(name, "this conversation is of no project")
        return Scope("project", project)

    def scopes(self, meta: ConversationMeta) -> dict[str, Scope]:
        """The scopes in this conversation by mount. Raises `store.errors.BadPath` as `scope` does."""
        return {name: self.scope(name, meta) for name in self.by_name}

    def has_members(self, meta: ConversationMeta) -> bool:
        """Whether some of the files are those of the conversation's project, which are for its members."""
        return meta.project is not None and any(map(_is_project, self.by_name.values()))

    def open_to(self, meta: ConversationMeta, *, member: bool) -> "Mounts":
        """The mounts that there are in this conversation for one who is a member of its project or not."""
        closed = {
            name
            for name, mounted in self.by_name.items()
            if _is_project(mounted) and (mounted == "project" if meta.project is None else not member)
        }
        if not closed:
            return self
        return Mounts({name: self.by_name[name] for name in self.by_name if name not in closed}, self.read_only, closed)

    def require_open(self, path: str) -> None:
        """Raises `store.errors.BadPath` for a path into a closed mount."""
        name, _, _ = path.partition("/")
        if name in self.closed:
            raise BadPath(path, "these are files of a project, which the person who asks is no member of")

    def within(self, directory: str) -> Iterator[tuple[str, str]]:
        """The mounts that have files of a directory: the name, and the path in it ("": all of its files)."""
        name, inner = ("", "") if not directory else self.split(directory)
        if name in self.by_name:
            yield name, inner
        if not directory:
            yield from ((name, "") for name in self.by_name if name)

    def is_writable(self, path: str) -> bool:
        """Whether the model may change the path and everything below it."""
        return not any(_contains(protected, path) or _contains(path, protected) for protected in self._protected)

    def check(self) -> None:
        """Raises ValueError or `store.errors.BadPath` if a mount or a read-only path is not valid."""
        for name in self.by_name:
            if name:
                check_path(name)
            if "/" in name:
                raise ValueError(f"the name of a place is one part of a path, not {name!r}")
        for path in self.read_only:
            self.split(path)


async def open_mounts(mounts: Mounts, meta: ConversationMeta, store: Store, principal: str | None) -> Mounts:
    """The mounts that the principal has in this conversation. Raises StoreUnavailable."""
    if not mounts.has_members(meta):
        return mounts.open_to(meta, member=False)
    is_member = principal is not None and await store.projects.role(str(meta.project_id), principal) is not None
    return mounts.open_to(meta, member=is_member)


def join(name: str, inner: str) -> str:
    """The path of a file as the model knows it."""
    return "/".join(part for part in (name, inner) if part)


def _contains(directory: str, path: str) -> bool:
    return not directory or path == directory or path.startswith(f"{directory}/")


def _is_project(mounted: Mounted) -> bool:
    return mounted not in ("conversation", "user")

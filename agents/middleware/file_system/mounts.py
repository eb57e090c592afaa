"""Where a path leads: each place of an agent's file system is a scope of the store under a name."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from store import ConversationMeta
from store.errors import BadPath
from store.files.files import Scope
from store.files.paths import check_path

Mounted = Literal["conversation", "user"] | tuple[Literal["project"], str]
"""The conversation's own files, its owner's, or a project's by id. A sub-agent works in those of its root."""

INSTRUCTIONS = "instructions.md"
"""In a person's files: what she tells every agent. None may write it, lest a document it reads rewrite its orders."""


class Mounts:
    """Names of one part each, and "" for the place that has all other paths."""

    def __init__(self, places: Mapping[str, Mounted], read_only: Sequence[str]) -> None:
        self.places = dict(places)
        self.read_only = tuple(path.rstrip("/") for path in read_only)
        instructions = (join(name, INSTRUCTIONS) for name, mounted in places.items() if mounted == "user")
        self._kept = (*self.read_only, *instructions)

    def resolve(self, path: str, meta: ConversationMeta) -> tuple[Scope, str]:
        """The scope and the path in it, "" for a place as a whole; raises `store.errors.BadPath`."""
        name, inner = self.split(path)
        return self.scope(name, meta), inner

    def split(self, path: str) -> tuple[str, str]:
        """The name of the place and the path in it; raises `store.errors.BadPath`."""
        if path:
            check_path(path)
        name, _, inner = path.partition("/")
        if name and name in self.places:
            return name, inner
        if "" in self.places:
            return "", path
        known = ", ".join(f"{name}/" for name in self.places)
        raise BadPath(path, f"it has to begin with one of {known}")

    def scope(self, name: str, meta: ConversationMeta) -> Scope:
        mounted = self.places[name]
        if mounted == "conversation":
            return Scope("conversation", meta.root)
        if mounted == "user":
            return Scope("user", meta.principal)
        return Scope(*mounted)

    def within(self, directory: str) -> Iterator[tuple[str, str]]:
        """The places that a directory has files of: name, and the path in it ("": all of it)."""
        name, inner = ("", "") if not directory else self.split(directory)
        if name in self.places:
            yield name, inner
        if not directory:
            yield from ((name, "") for name in self.places if name)

    def writable(self, path: str) -> bool:
        """Whether the model may change what is there, including all that lies below."""
        return not any(_contains(kept, path) or _contains(path, kept) for kept in self._kept)

    def check(self) -> None:
        """Raises ValueError or `store.errors.BadPath` for what its author cannot have meant."""
        for name in self.places:
            if name:
                check_path(name)
            if "/" in name:
                raise ValueError(f"the name of a place is one part of a path, not {name!r}")
        for path in self.read_only:
            self.split(path)


def join(name: str, inner: str) -> str:
    """The path of a file as the model knows it."""
    return "/".join(part for part in (name, inner) if part)


def _contains(directory: str, path: str) -> bool:
    return not directory or path == directory or path.startswith(f"{directory}/")

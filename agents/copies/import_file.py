"""Reads the file of an export back: a conversation with its sub-agents', complete or not at all."""

import base64
import binascii
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from agents.codec import VERSION as RECORD_VERSION
from agents.copies.file_format import FORMAT, KINDS, VERSION, ConversationLine, End, FileLine, Header
from agents.copies.lawful_log import LawfulReader
from agents.errors import InvalidImport
from agents.middleware.sub_agent.sub_agent_call import child_id
from agents.turn import fsm_state
from store import ConversationExists, ConversationMeta, Record, Store
from store.errors import BadPath
from store.files.files import File, FileInfo
from store.files.paths import check_path
from store.records import Parent
from store.registries.copies import Copy, CopyMeta

MAX_CONVERSATIONS = 10_000
BATCH_RECORDS = 250
BATCH_BYTES = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What the conversation will be, by what the file says: its id, its owner, its project; each may raise.

    `owner_of` raises ValueError if no principal can have that name.

    `project_of` is given the owner that it will have, and the project.

    `is_agent` says whether there is an agent of that name, `is_id` whether a conversation may have that id.
    """

    id_of: Callable[[str], str]
    is_id: Callable[[str], bool]
    owner_of: Callable[[str], str]
    project_of: Callable[[str, str], Awaitable[str | None]]
    is_agent: Callable[[str], bool]


@dataclass(slots=True)
class _Part:
    """One conversation of the file, as far as it has been read."""

    line: ConversationLine
    copy: Copy
    parent: Parent | None
    reader: LawfulReader = field(default_factory=LawfulReader)
    children: list[str] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)
    file_bytes: int = 0
    summary_seq: int | None = None
    is_whole: bool = False


async def import_file(store: Store, lines: AsyncIterator[bytes], options: ImportOptions, now: int) -> ConversationMeta:
    """The conversation that the file has, when all of it is there.

    Raises InvalidImport with the number of the line, `store.ConversationExists`, and what `lines` and `options` raise;
    then nothing is left.
    """
    reading = _Reading(store, options)
    try:
        async for line in lines:
            await reading.take(line)
        await reading.finish(now)
        return await store.registry.get(reading.parts[0].copy.conversation_id)
    finally:
        for part in reading.parts:
            await part.copy.discard()


class _Reading:
    """The state of one import: the parts so far, and the records that are not written yet."""

    def __init__(self, store: Store, options: ImportOptions) -> None:
        self.parts: list[_Part] = []
        self._store = store
        self._options = options
        self._by_id: dict[str, _Part] = {}
        self._number = 0
        self._digest = hashlib.sha256()
        self._has_header = False
        self._end: End | None = None
        self._owner = ""
        self._project: str | None = None
        self._size = 0

    async def take(self, line: bytes) -> None:
        self._number += 1
        if self._end is not None:
            raise self._invalid("it comes after the end")
        try:
            found = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise self._invalid(f"it is not JSON: {error}") from error
        if not isinstance(found, dict) or not found:
            raise self._invalid("it is no object")
        kind = next(iter(found))
        if not self._has_header:
            self._check_header(found)
        elif kind == "seq":
            await self._take_record(found)
        elif kind in ("conversation", "file", "end"):
            if len(found) > 1:
                raise self._invalid(f"a line with {kind!r} has nothing else")
            await self._take_other(self._parse(KINDS[kind], found[kind], kind))
        else:
            raise self._invalid(f"there are no lines with {kind!r}")
        self._digest.update(line + b"\n")

    async def finish(self, now: int) -> None:
        """Make all that was read a conversation."""
        self._number += 1
        if self._end is None:
            raise self._invalid("the file ends here, without its last line")
        (root, root_meta), *below = [(part.copy, self._meta(part, now)) for part in self.parts]
        await self._store.copies.complete_all((root, root_meta), below, now)

    def _check_header(self, found: dict[str, Any]) -> None:
        if found.get("format") != FORMAT:
            raise self._invalid("it is no header of an export of ours")
        version = found.get("version")
        if version != VERSION:
            raise self._invalid(f"the file has version {version!r} of the format, and {VERSION} is read here")
        self._parse(Header, found, "header")
        self._has_header = True

    async def _take_other(self, line: BaseModel) -> None:
        if isinstance(line, ConversationLine):
            await self._close_part()
            await self._begin_part(line)
        elif isinstance(line, FileLine):
            await self._take_file(line)
        elif isinstance(line, End):
            await self._close_part()
            if line.conversations != len(self.parts) or not self.parts:
                raise self._invalid(f"{line.conversations} conversations should be there, and {len(self.parts)} are")
            if line.sha256 != self._digest.hexdigest():
                raise self._invalid("the file is not as it was written: its digest is another one")
            self._end = line

    async def _begin_part(self, line: ConversationLine) -> None:
        if line.id in self._by_id:
            raise self._invalid(f"the conversation {line.id!r} comes twice")
        if len(self.parts) >= MAX_CONVERSATIONS:
            raise self._invalid(f"at most {MAX_CONVERSATIONS} conversations are taken")
        if not self.parts:
            if not self._options.is_agent(line.agent):
                raise self._invalid(f"there is no agent {line.agent!r} here")
            name, parent = self._options.id_of(line.id), None
            try:
                self._owner = self._options.owner_of(line.owner)
            except ValueError as error:
                raise self._invalid(str(error)) from error
            if line.project is not None:
                self._project = await self._options.project_of(self._owner, line.project)
        else:
            name, parent = self._place_below(line)
        if await self._store.registry.get_many([name]):
            raise ConversationExists(name)
        part = _Part(line, await self._store.copies.begin(name), parent)
        self.parts.append(part)
        self._by_id[line.id] = part

    def _place_below(self, line: ConversationLine) -> tuple[str, Parent]:
        """The id of a sub-agent's conversation, and its place."""
        above = self._by_id.get(line.parent or "")
        if above is None or line.parent_call is None:
            raise self._invalid(f"the conversation {line.id!r} has no parent before it")
        if not 1 <= line.parent_seq <= above.reader.facts.last_seq:
            raise self._invalid(f"its parent has no record {line.parent_seq}")
        root, over = self.parts[0].copy.conversation_id, above.copy.conversation_id
        name = child_id(over, line.parent_call)
        if not self._options.is_id(name) or any(name == part.copy.conversation_id for part in self.parts):
            raise self._invalid(f"the call {line.parent_call!r} cannot have this conversation")
        above.children.append(name)
        depth = above.parent.depth + 1 if above.parent else 1
        return name, Parent(over, line.parent_call, root, depth, line.parent_seq)

    async def _take_file(self, line: FileLine) -> None:
        part, limits = self._current(), self._store.files.limits
        if part.reader.facts.last_seq:
            raise self._invalid("files come before the records")
        try:
            check_path(line.path)
            content = base64.b64decode(line.base64, validate=True)
        except (BadPath, binascii.Error, ValueError) as error:
            raise self._invalid(str(error)) from error
        above = line.path.split("/")
        folders = {"/".join(above[:n]) for n in range(1, len(above))}
        is_folder = any(path.startswith(f"{line.path}/") for path in part.paths)
        if line.path in part.paths or is_folder or folders & part.paths:
            raise self._invalid(f"the path {line.path!r} is taken")
        part.file_bytes += len(content)
        if len(content) > limits.file_bytes or len(part.paths) >= limits.files or part.file_bytes > limits.scope_bytes:
            raise self._invalid(f"the file {line.path!r} is too large, or one too many")
        part.paths.add(line.path)
        await part.copy.add_file(File(FileInfo(line.path, line.version, len(content), line.updated_at), content))

    async def _take_record(self, found: dict[str, Any]) -> None:
        part, stored = self._current(), found.get("record")
        expected = part.reader.facts.last_seq + 1
        if found.keys() != {"seq", "record"} or not isinstance(stored, dict):
            raise self._invalid("a line with 'seq' has a 'record', and nothing else")
        if found["seq"] != expected:
            raise self._invalid(f"it has seq {found['seq']!r} where {expected} comes next")
        try:
            record = Record(expected, orjson.dumps(stored))
            part.reader.check(stored, record)
        except (ValueError, orjson.JSONEncodeError) as error:
            raise self._invalid(str(error)) from error
        self._size += len(record.data)
        if expected % BATCH_RECORDS == 0 or self._size >= BATCH_BYTES:
            await self._write(part)

    async def _close_part(self) -> None:
        if not self.parts:
            return
        part = self._current()
        await self._write(part)
        if not part.reader.is_at_rest:
            raise self._invalid(f"the log of {part.line.id!r} ends in the middle of a turn")

    async def _write(self, part: _Part) -> None:
        taken, self._size = part.reader.take(), 0
        part.summary_seq = taken.summary_seq or part.summary_seq
        await part.copy.append([record.data for record in taken.records], taken.client_ids)
        for other in self.parts:
            await other.copy.keep()

    def _meta(self, part: _Part, now: int) -> CopyMeta:
        line, facts = part.line, part.reader.facts
        return CopyMeta(
            agent=line.agent,
            principal=self._owner,
            channel=line.channel,
            title=line.title,
            placement=line.placement,
            project=self._project,
            parent=part.parent,
            created_at=min(line.created_at, now),  # a time that is still to come would be at the top of lists for ever
            updated_at=min(line.updated_at, now),
            state=orjson.dumps(fsm_state(facts)) if facts.last_seq else None,
            summary_seq=part.summary_seq,
            format=RECORD_VERSION,
            forked_from=line.forked_from,
            forked_seq=line.forked_seq,
            imported_at=now,
            children=part.children,
        )

    def _current(self) -> _Part:
        if not self.parts:
            raise self._invalid("it belongs to no conversation")
        return self.parts[-1]

    def _parse(self, kind: type[BaseModel], value: object, name: str) -> BaseModel:
        try:
            return kind.model_validate(value)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in (name, *first["loc"]))
            raise self._invalid(f"{place}: {first['msg']}") from error

    def _invalid(self, problem: str) -> InvalidImport:
        return InvalidImport(self._number, problem)

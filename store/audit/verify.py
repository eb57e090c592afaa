"""Finds what was changed in the audit of a tenant after it had been written."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import orjson

from store.audit.audit_log import AuditLog
from store.audit.lines import NO_HASH, TRIMMED, AuditLine, Head

MAX_FINDINGS: Final = 100

Fault = Literal["changed", "moved", "removed", "cut off"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong at a seq; `detail` is a sentence for people."""

    seq: int
    fault: Fault
    detail: str


@dataclass(slots=True)
class Verification:
    """What the lines of a chain have shown: their number, where they begin and end, and at most a hundred findings."""

    tenant: str
    lines: int = 0
    first_seq: int = 0
    last: Head = field(init=False)
    findings: list[Finding] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.last = Head(self.tenant)

    @property
    def is_whole(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def add(self, seq: int, fault: Fault, detail: str) -> None:
        """Keep a finding."""
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(seq, fault, detail))


async def verify_stored(audit: AuditLog, tenant: str, witness: Head | None = None) -> Verification:
    """Verify the chain in the store as it is now, also while it is written and trimmed. Raises StoreUnavailable.

    `witness` is the end that the chain had when it was noted elsewhere; so a chain that was made anew is found.
    """
    while True:
        head = await audit.head(tenant)
        found = await verify_lines(audit.read_all(tenant, through=head.seq), tenant, head=head, witness=witness)
        first, further = await audit.read(tenant, limit=1), await audit.read(tenant, after=head.seq, limit=1)
        if further and (await audit.head(tenant)).seq < further[0].seq:
            found.add(further[0].seq, "moved", "it is behind the end of the chain")
        if not first or first[0].seq == found.first_seq:
            return found
        # What was old enough has been removed meanwhile, perhaps below the reader: it is read again.


async def verify_lines(
    lines: AsyncIterator[AuditLine], tenant: str, *, head: Head | None = None, witness: Head | None = None
) -> Verification:
    """Verify lines in the order in which they come. `head` is where they must end; None: nothing says where."""
    reader = _Reader(Verification(tenant), witness)
    async for line in lines:
        reader.take(line)
    return reader.finish(head)


class _Reader:
    """Compares each line with the one before; remembers of the whole chain only what the end must be compared with."""

    def __init__(self, found: Verification, witness: Head | None) -> None:
        self._found = found
        self._witness = witness
        self._before: AuditLine | None = None
        self._before_first: object = NO_HASH
        self._is_vouched = False

    def take(self, line: AuditLine) -> None:
        found, before, said = self._found, self._before, _fields(line)
        if said is None:
            found.add(line.seq, "changed", "it is no line of an audit")
            said = {}
        elif said.get("seq") != line.seq or said.get("tenant") != found.tenant:
            found.add(line.seq, "moved", f"it was line {said.get('seq')} of the tenant {said.get('tenant')}")
        if before is None:
            found.first_seq, self._before_first = line.seq, said.get("previous")
        elif line.seq <= before.seq:
            found.add(line.seq, "moved", f"it comes after line {before.seq}")
        elif line.seq > before.seq + 1:
            found.add(before.seq + 1, "removed", f"lines {before.seq + 1} to {line.seq - 1} are missing")
        elif said.get("previous") != before.hash:
            found.add(before.seq, "changed", f"its hash is not the one that line {line.seq} has of it")
        if self._witness is not None and line.seq == self._witness.seq and line.hash != self._witness.hash:
            found.add(line.seq, "changed", "its hash is not the one that was noted elsewhere")
        if said.get("type") == TRIMMED:
            self._vouch(said.get("data"))
        found.lines += 1
        at = said.get("recorded_at")
        found.last = Head(found.tenant, line.seq, line.hash, at if isinstance(at, int) else 0)
        self._before = line

    def finish(self, head: Head | None) -> Verification:
        found, last = self._found, self._found.last
        if found.first_seq > 1 and not self._is_vouched:
            found.add(
                1, "removed", f"lines 1 to {found.first_seq - 1} are missing, and no line says that they were old"
            )
        if found.first_seq == 1 and self._before_first != NO_HASH:
            found.add(1, "changed", "it does not begin the chain")
        if head is not None and last.seq < head.seq:
            found.add(last.seq + 1, "cut off", f"the chain ends at line {last.seq}, and has had {head.seq}")
        elif head is not None and last.hash != head.hash:
            found.add(last.seq, "changed", "its hash is not the one that was kept of it")
        if (witness := self._witness) is not None and last.seq < witness.seq:
            found.add(last.seq + 1, "cut off", f"line {witness.seq} was noted elsewhere, and is not there")
        return found

    def _vouch(self, trimmed: object) -> None:
        """A line that says what was old enough to go also stands for what goes at this moment, part by part."""
        if isinstance(trimmed, Mapping) and isinstance(through := trimmed.get("through"), int):
            is_next = through == self._found.first_seq - 1 and trimmed.get("hash") == self._before_first
            self._is_vouched |= is_next or through >= self._found.first_seq


def _fields(line: AuditLine) -> dict[str, Any] | None:
    try:
        said = orjson.loads(line.body)
    except ValueError:
        return None
    return said if isinstance(said, dict) and "hash" not in said else None

"""The subjects that are measured: Raylogue with each placement of conversations, and the plain application."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.services import MeasuredService, plain, raylogue, raylogue_with_keys
from store import Placement

Start = Callable[[str], AbstractContextManager[MeasuredService]]
"""Starts a service that uses the model at this URL."""


@dataclass(frozen=True, slots=True)
class SubjectKind:
    """A kind of subject: conversations with this `placement` in the service that `start` starts."""

    name: str
    start: Start
    placement: Placement | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """A running subject."""

    kind: SubjectKind
    service: MeasuredService

    @property
    def url(self) -> str:
        return self.service.url

    @property
    def roots(self) -> Sequence[int]:
        return self.service.roots

    @property
    def placement(self) -> Placement | None:
        """The placement of its conversations; None for the plain application, which has no active conversations."""
        return self.kind.placement

    async def create(self, agent: str | None = None) -> str:
        """Create a conversation, which is inactive until its first turn; returns its id."""
        options = {"placement": self.placement, "agent": agent}
        async with self.service.client() as client:
            response = await client.post(
                "/v1/conversations", json={name: value for name, value in options.items() if value}
            )
        return str(response.raise_for_status().json()["id"])

    async def delete(self, conversation_ids: Sequence[str]) -> None:
        """Delete these conversations, so that the next measure does not include them."""
        if self.placement is None:
            return
        async with self.service.client() as client:
            for conversation_id in conversation_ids:
                await client.delete(f"/v1/conversations/{conversation_id}")


KINDS: Mapping[str, SubjectKind] = {
    "auto": SubjectKind("Raylogue, auto", raylogue, "auto"),
    "shared": SubjectKind("Raylogue, shared", raylogue, "shared"),
    "dedicated": SubjectKind("Raylogue, dedicated", raylogue, "dedicated"),
    "keys": SubjectKind("Raylogue, with keys", raylogue_with_keys, "shared"),
    "plain": SubjectKind("plain app", plain),
}
"""By the names that `--subjects` takes; the others are compared with the last one."""


BEFORE = "Raylogue, before"


def code_before(code: Path) -> SubjectKind:
    """Another commit's code, in shared hosts and without credentials."""
    return SubjectKind(BEFORE, partial(raylogue, code=code), "shared")

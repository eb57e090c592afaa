"""What is measured: a way to live in a service. Both of Raylogue's stand beside the plain application."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from benchmarks.services import Service, plain, raylogue
from store import Placement

Start = Callable[[str], AbstractContextManager[Service]]
"""From the model's URL to the running service."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A subject that is not running; conversations of `placement` in what `start` starts."""

    name: str
    start: Start
    placement: Placement | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject that runs."""

    kind: Kind
    service: Service

    @property
    def url(self) -> str:
        return self.service.url

    @property
    def roots(self) -> Sequence[int]:
        return self.service.roots

    @property
    def placement(self) -> Placement | None:
        """Where its conversations live; None is the plain application, where they live nowhere."""
        return self.kind.placement

    async def create(self, agent: str | None = None) -> str:
        """The id of a new conversation; nothing runs for it until its first turn."""
        wishes = {"placement": self.placement, "agent": agent}
        async with self.service.client() as client:
            response = await client.post(
                "/v1/conversations", json={name: wish for name, wish in wishes.items() if wish}
            )
        return str(response.raise_for_status().json()["id"])

    async def delete(self, conversation_ids: Sequence[str]) -> None:
        """Remove these conversations and what lives of them, so that they cost the next measure nothing."""
        if self.placement is None:
            return
        async with self.service.client() as client:
            for conversation_id in conversation_ids:
                await client.delete(f"/v1/conversations/{conversation_id}")


KINDS: Mapping[str, Kind] = {
    "shared": Kind("Raylogue, shared", raylogue, "shared"),
    "dedicated": Kind("Raylogue, dedicated", raylogue, "dedicated"),
    "plain": Kind("plain app", plain),
}
"""By the names that `--subjects` takes; the last one is what the others are compared with."""

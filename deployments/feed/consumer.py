"""What a consumer of the feed is, and how the modules in `deployments/feed/consumers` are found."""

import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from agents.agent import Catalog
from deployments.feed import consumers
from deployments.settings import Settings
from deployments.work.client import JobClient
from store import Store
from store.feed.entry import FeedEntry


@dataclass(frozen=True, slots=True)
class FeedServices:
    """What a consumer is made with: one per replica of the ingress."""

    settings: Settings
    store: Store
    catalog: Catalog
    jobs: JobClient


class Consumer(Protocol):
    """Takes what happens: each entry at least once, those of a conversation in order.

    `name` is that of its group: stable, for it says how far the consumer has read.
    """

    @property
    def name(self) -> str: ...

    async def take(self, entries: Sequence[FeedEntry]) -> None:
        """Do what is to be done about these entries. They count as taken when this returns.

        If it raises, they come again, after a pause that grows. So an effect must happen once for each id, however
        often the entry comes. Entries of a type that it does not know are passed over.
        """


def make_consumers(services: FeedServices) -> list[Consumer]:
    """One of each consumer: the modules in `deployments/feed/consumers` each have a function `make(services)`."""
    names = sorted(module.name for module in pkgutil.iter_modules(consumers.__path__))
    modules = [import_module(f"{consumers.__name__}.{name}") for name in names]
    return [module.make(services) for module in modules]

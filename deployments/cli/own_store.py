"""The service's own store, for commands that an operator of the machine or the cluster runs there."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, TypeVar

from deployments.access.auditing import NO_DATA, Auditor, machine_user
from deployments.access.principal import LOCAL
from deployments.cli.errors import CommandFailed
from deployments.local.record import find_running
from deployments.local.storage import embedded_valkey
from deployments.process.store import connect_store
from deployments.settings import Settings
from store import Store, StoreUnavailable

T = TypeVar("T")


def audited(store: Store, kind: str, data: Mapping[str, Any] = NO_DATA) -> AbstractAsyncContextManager[None]:
    """Around what an operator of the machine does to all of the store: a line of the audit before it, and one behind.

    Raises StoreUnavailable.
    """
    return Auditor(store.audit).act(kind, LOCAL, data={**data, **machine_user()})


def do_audited(url: str, settings: Settings, kind: str, data: Mapping[str, Any], work: Callable[[], None]) -> None:
    """Do `work` in the same way; the audit is in the Redis there. Raises CommandFailed, and what `work` raises."""

    async def act(store: Store) -> None:
        async with audited(store, kind, data):
            await asyncio.to_thread(work)

    in_store_at(url, settings, act)


def in_store(settings: Settings, action: Callable[[Store], Awaitable[T]]) -> T:
    """Run `action` on the service's own store, whether it runs or not. Raises CommandFailed."""
    with _redis_url(settings) as url:
        return in_store_at(url, settings, action)


def in_store_at(url: str, settings: Settings, action: Callable[[Store], Awaitable[T]]) -> T:
    """Run `action` on the store of the Redis there. Raises CommandFailed."""

    async def act() -> T:
        store = connect_store(settings.model_copy(update={"redis_url": url}))
        try:
            return await action(store)
        except StoreUnavailable as error:
            raise CommandFailed(f"the store cannot be reached: {error}") from error
        finally:
            await store.aclose()

    return asyncio.run(act())


@contextmanager
def _redis_url(settings: Settings) -> Iterator[str]:
    """Your Redis, or the embedded Valkey: that of the running service, or one for this moment."""
    record = find_running(settings.data_dir)
    if settings.redis_url is not None:
        yield settings.redis_url
    elif record is None:
        with embedded_valkey(settings.data_dir / "valkey") as url:
            yield url
    elif record.redis is None:
        raise CommandFailed("the service is starting: try again when it runs")
    else:
        yield record.redis

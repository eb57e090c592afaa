"""The service's own store, for commands that an operator of the machine or the cluster runs there."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import psutil

from deployments.cli.errors import CommandFailed
from deployments.local.record import find_running
from deployments.local.storage import embedded_valkey
from deployments.process.store import connect_store
from deployments.settings import Settings
from store import Store, StoreUnavailable

T = TypeVar("T")


def local_user() -> Mapping[str, str]:
    """Who runs this command, as the machine knows that person; for the audit."""
    try:
        return {"machine_user": psutil.Process().username()}
    except (psutil.Error, KeyError):
        return {}


def in_store(settings: Settings, action: Callable[[Store], Awaitable[T]]) -> T:
    """Run `action` on the service's own store, whether it runs or not. Raises CommandFailed."""

    async def act(reached: Settings) -> T:
        store = connect_store(reached)
        try:
            return await action(store)
        except StoreUnavailable as error:
            raise CommandFailed(f"the store cannot be reached: {error}") from error
        finally:
            await store.aclose()

    with _redis_url(settings) as url:
        return asyncio.run(act(settings.model_copy(update={"redis_url": url})))


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

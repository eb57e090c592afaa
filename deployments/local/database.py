"""The Redis of the local service: yours when the settings name one, otherwise an embedded Valkey."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psutil
from redis.exceptions import RedisError

from deployments.local.errors import CannotStart
from deployments.local.processes import wait_for_end
from deployments.local.progress import Progress, Say
from deployments.settings import Settings
from store import StoreUnavailable, connect
from store.embedded import EmbeddedServer, EmbeddedServerError

PATIENCE_SECONDS = 30.0
ORPHAN_SECONDS = 15.0
PAUSE_SECONDS = 2.0


@contextmanager
def database(settings: Settings, progress: Progress) -> Iterator[str]:
    """The URL of a Redis that answers. Raises CannotStart when there is none."""
    if settings.redis_url is not None:
        with progress.step(f"Redis at {without_password(settings.redis_url)}") as say:
            wait_for_redis(settings, say)
        yield settings.redis_url
        return
    server = EmbeddedServer(settings.data_dir / "valkey")
    with progress.step("Valkey, embedded"):
        end_orphan(settings.data_dir / "valkey")
        try:
            server.start()
        except EmbeddedServerError as error:
            raise CannotStart(f"{error} (RAYLOGUE_REDIS_URL)") from error
    try:
        yield server.url
    finally:
        server.stop()


def wait_for_redis(settings: Settings, say: Say, *, patience: float = PATIENCE_SECONDS) -> None:
    """Return when your Redis answers. Raises CannotStart when it did not in `patience` seconds."""
    url = str(settings.redis_url)
    deadline = time.monotonic() + patience
    while True:
        try:
            asyncio.run(_ping(url, cluster=settings.redis_cluster))
        except (RedisError, ValueError) as error:
            raise CannotStart(
                f"Redis at {without_password(url)} refuses ({error}): correct RAYLOGUE_REDIS_URL"
            ) from error
        except StoreUnavailable as error:
            if time.monotonic() > deadline:
                raise CannotStart(
                    f"Redis at {without_password(url)} did not answer in {patience:.0f} s ({error}): "
                    "start it, correct RAYLOGUE_REDIS_URL, or unset it to use the embedded Valkey"
                ) from error
            say(f"{error}; trying again")
            time.sleep(PAUSE_SECONDS)
        else:
            return


def end_orphan(data_dir: Path) -> None:
    """End the Valkey of an earlier service that was killed: nobody else may hold this data now."""
    try:
        process = psutil.Process(int((data_dir / "valkey.pid").read_text()))
        if process.name() == "valkey-server" and data_dir.samefile(process.cwd()):
            process.terminate()
            wait_for_end([process], ORPHAN_SECONDS)
    except (OSError, ValueError, psutil.Error):
        return


def without_password(url: str) -> str:
    """A Redis URL that may be shown."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:***@{host}"))


async def _ping(url: str, *, cluster: bool) -> None:
    store = connect(url, cluster=cluster)
    try:
        await store.ping()
    finally:
        await store.aclose()

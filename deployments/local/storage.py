"""Where the local service keeps what must last: your Redis or an embedded Valkey, and the archive of old events."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psutil
from redis.exceptions import RedisError

from deployments.local.errors import CannotStart
from deployments.local.processes import wait_for_end
from deployments.settings import Settings
from store import Archive, StoreUnavailable, connect
from store.embedded import EmbeddedServer, EmbeddedServerError

PATIENCE_SECONDS = 30.0
ORPHAN_SECONDS = 15.0
PAUSE_SECONDS = 2.0


@contextmanager
def embedded_valkey(data_dir: Path) -> Iterator[str]:
    """The URL of a Valkey that keeps its data there, and runs while the body does. Raises CannotStart."""
    end_orphan(data_dir)
    server = EmbeddedServer(data_dir)
    try:
        server.start()
    except EmbeddedServerError as error:
        raise CannotStart(f"{error} (RAYLOGUE_REDIS_URL)") from error
    try:
        yield server.url
    finally:
        server.stop()


def end_orphan(data_dir: Path) -> None:
    """End the Valkey of an earlier service that was killed: two servers must not hold the same data."""
    try:
        process = psutil.Process(int((data_dir / "valkey.pid").read_text()))
        if process.name() == "valkey-server" and data_dir.samefile(process.cwd()):
            process.terminate()
            wait_for_end([process], ORPHAN_SECONDS)
    except (OSError, ValueError, psutil.Error):
        return


def wait_for_redis(settings: Settings, report: Callable[[str], None], *, patience: float = PATIENCE_SECONDS) -> None:
    """Return when your Redis answers; each failed attempt is reported. Raises CannotStart after `patience` seconds."""
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
            report(f"{error}; trying again")
            time.sleep(PAUSE_SECONDS)
        else:
            return


def without_password(url: str) -> str:
    """A Redis URL that may be shown."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:***@{host}"))


def check_archive(settings: Settings) -> None:
    """Raises CannotStart when the archive's address, if one is set, cannot be used.

    Whether the archive answers is not asked: that shows later, and may change.
    """
    if settings.archive_url is None:
        return
    archive = Archive(settings.archive_url)
    try:
        archive.check()
    except ValueError as error:
        raise CannotStart(f"{error}: correct RAYLOGUE_ARCHIVE_URL, or install its driver") from error
    finally:
        archive.close()


async def _ping(url: str, *, cluster: bool) -> None:
    store = connect(url, cluster=cluster)
    try:
        await store.ping()
    finally:
        await store.aclose()

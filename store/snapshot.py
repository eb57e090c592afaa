"""Backups of an embedded server: a snapshot is taken while it runs, and loaded into an empty directory."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from store.embedded import EmbeddedServer, EmbeddedServerError

SNAPSHOT = "dump.rdb"
"""What the server calls its snapshots, in its directory."""
PATIENCE_SECONDS = 600.0
LOOK_SECONDS = 0.05


def save_snapshot(url: str, data_dir: Path, target: Path) -> None:
    """Write all data of the server at `url`, which keeps them in `data_dir`, into one file; it goes on meanwhile.

    Raises EmbeddedServerError.
    """
    client = redis.Redis.from_url(url)
    try:
        client.bgsave()
        _wait(client, "rdb_bgsave_in_progress")
        if client.info("persistence")["rdb_last_bgsave_status"] != "ok":
            raise EmbeddedServerError(f"the snapshot could not be written: see {data_dir / 'valkey.log'}")
        partial = target.with_name(f"{target.name}.new")
        shutil.copyfile(data_dir / SNAPSHOT, partial)
        partial.chmod(0o600)
        partial.replace(target)
        (data_dir / SNAPSHOT).unlink()
    except (redis.RedisError, OSError) as error:
        raise EmbeddedServerError(f"the snapshot could not be written: {error}") from error
    finally:
        client.close()


@dataclass(frozen=True, slots=True)
class LoadedSnapshot:
    """A server at `url` that has the data of a snapshot, and writes nothing to its directory yet."""

    url: str
    log_file: Path

    def keep(self) -> None:
        """Make what the server has now, and all that is written from here on, the data of the directory.

        Raises EmbeddedServerError.
        """
        client = redis.Redis.from_url(self.url)
        try:
            client.config_set("appendonly", "yes")
            _wait(client, "aof_rewrite_in_progress", "aof_rewrite_scheduled")
            if client.info("persistence")["aof_last_bgrewrite_status"] != "ok":
                raise EmbeddedServerError(f"the data could not be written: see {self.log_file}")
        except redis.RedisError as error:
            raise EmbeddedServerError(f"the data could not be written: {error}") from error
        finally:
            client.close()


@contextmanager
def load_snapshot(source: Path, data_dir: Path) -> Iterator[LoadedSnapshot]:
    """The data of a snapshot, for a server that will keep its own in `data_dir`, which must have none.

    A server with an append-only file reads nothing else when it starts. So one without reads the snapshot first, and
    then writes that file. Raises EmbeddedServerError.
    """
    if any(data_dir.glob("appendonlydir/*")):
        raise EmbeddedServerError(f"{data_dir} has data already: move it away first")
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(source, data_dir / SNAPSHOT)
    except OSError as error:
        raise EmbeddedServerError(f"{source} cannot be read: {error.strerror}") from error
    with EmbeddedServer(data_dir, append_only=False) as server:
        yield LoadedSnapshot(server.url, server.log_file)
    (data_dir / SNAPSHOT).unlink()


def _wait(client: "redis.Redis", *flags: str) -> None:
    """Until none of these is set in what the server says of its files."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(client.info("persistence")[flag] for flag in flags):
        if time.monotonic() > deadline:
            raise EmbeddedServerError(f"the server did not finish within {PATIENCE_SECONDS:.0f} s")
        time.sleep(LOOK_SECONDS)

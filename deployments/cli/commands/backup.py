"""`raylogue backup` and `raylogue restore`: the local service's data as one directory, and back."""

import shutil
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.markup import escape

from deployments.cli.errors import CommandFailed
from deployments.cli.options import DataDirOption, read_settings
from deployments.cli.own_store import do_audited
from deployments.local.record import find_running, require_not_running
from deployments.local.storage import embedded_valkey
from deployments.settings import Settings
from store.embedded import EmbeddedServerError
from store.snapshot import LoadedSnapshot, load_snapshot, save_snapshot

SNAPSHOT, ARCHIVE = "valkey.rdb", "archive"

BackupArgument = Annotated[Path, typer.Argument(help="The directory of the backup.")]


def backup(target: BackupArgument, data_dir: DataDirOption = None) -> None:
    """Copy the conversations of the local service into a directory; it may run meanwhile."""
    settings = _local(data_dir)
    valkey = settings.data_dir / "valkey"
    if not valkey.is_dir():
        raise CommandFailed(f"there is no data in {settings.data_dir}")
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(target.iterdir()):
        raise CommandFailed(f"{target} is not empty: name another directory")
    record = find_running(settings.data_dir)
    running = nullcontext(record.redis) if record is not None else embedded_valkey(valkey)
    try:
        with running as url:
            if url is None:
                raise CommandFailed("the service is starting: try again when it runs")
            # What the audit has to say first is in the backup as well.
            about = {"directory": str(target.absolute())}
            do_audited(url, settings, "backed_up", about, partial(_save, url, settings, target))
    except EmbeddedServerError as error:
        raise CommandFailed(str(error)) from error
    Console(stderr=True).print(f"[green]✓[/] The conversations are in {escape(str(target))}", highlight=False)


def restore(source: BackupArgument, data_dir: DataDirOption = None) -> None:
    """Make a backup the data of the local service, which must not run, and must have none."""
    settings = _local(data_dir)
    require_not_running(settings.data_dir)
    if not (source / SNAPSHOT).is_file():
        raise CommandFailed(f"{source} is no backup: it has no {SNAPSHOT}")
    archive = _archive(settings)
    if (source / ARCHIVE).is_dir():
        if archive is None:
            raise CommandFailed("the backup has an archive: set RAYLOGUE_ARCHIVE_URL to the directory where it belongs")
        if archive.is_dir() and any(archive.iterdir()):
            raise CommandFailed(f"{archive} is not empty: move it away first")
    try:
        with load_snapshot(source / SNAPSHOT, settings.data_dir / "valkey") as loaded:
            # There was no audit here before: the one of the backup goes on.
            about = {"directory": str(source.absolute())}
            do_audited(loaded.url, settings, "restored", about, partial(_keep, loaded, source, archive))
    except EmbeddedServerError as error:
        raise CommandFailed(str(error)) from error
    Console(stderr=True).print("[green]✓[/] Restored: start it with `raylogue up`", highlight=False)


def _save(url: str, settings: Settings, target: Path) -> None:
    save_snapshot(url, settings.data_dir / "valkey", target / SNAPSHOT)
    # After Redis, which never names a segment that is not in the archive yet.
    if (archive := _archive(settings)) is not None and archive.is_dir():
        shutil.copytree(archive, target / ARCHIVE)


def _keep(loaded: LoadedSnapshot, source: Path, archive: Path | None) -> None:
    loaded.keep()
    if archive is not None and (source / ARCHIVE).is_dir():
        shutil.copytree(source / ARCHIVE, archive, dirs_exist_ok=True)


def _local(data_dir: Path | None) -> Settings:
    """Raises CommandFailed."""
    settings = read_settings(data_dir=data_dir)
    if settings.redis_url is not None:
        raise CommandFailed("the data is in your own Redis (RAYLOGUE_REDIS_URL): see Backup in docs/operations.md")
    return settings


def _archive(settings: Settings) -> Path | None:
    """The archive's directory, if it is one on this machine."""
    url = settings.archive_url
    return None if url is None or urlsplit(url).scheme else Path(url)

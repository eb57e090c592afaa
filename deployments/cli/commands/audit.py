"""`raylogue audit`: read, verify and export the audit, in the store itself, or with --url as the service allows it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deployments.cli.api import JsonObject
from deployments.cli.audit_source import AuditSource, ServiceSource, StoreSource, parse_pieces
from deployments.cli.errors import CommandFailed
from deployments.cli.options import DataDirOption, JsonOption, open_client, read_settings
from deployments.cli.own_store import in_store
from deployments.cli.transcript import format_time, strip_controls
from store.audit.lines import Head
from store.audit.search import AuditQuery
from store.audit.verify import Verification, verify_lines

T = TypeVar("T")
MAX_PAGE = 500
PIECE_BYTES = 65_536
SHOWN_APART = ("at", "type", "principal", "on_behalf_of", "conversation_id", "outcome", "data")

audit = typer.Typer(name="audit", help="Read, verify and export the audit.", no_args_is_help=True)

RemoteOption = Annotated[
    str | None, typer.Option("--url", help="Ask the service there, with RAYLOGUE_API_KEY; else the store is used.")
]
TenantOption = Annotated[
    str | None, typer.Option("--tenant", help="Whose; `-`: what belongs to none. With --url by default one's own.")
]
Moment = Annotated[datetime | None, typer.Option(help="A time, such as 2026-01-31 or 2026-01-31T12:00:00.")]


@audit.command("list")
def list_lines(
    tenant: TenantOption = None,
    type: Annotated[str | None, typer.Option("--type", help="Only lines of this type.")] = None,  # noqa: A002
    principal: Annotated[str | None, typer.Option("--principal", help="Who acted, or for whom.")] = None,
    conversation: Annotated[str | None, typer.Option("--conversation", help="About which conversation.")] = None,
    since: Moment = None,
    until: Moment = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Most lines that are shown.")] = 50,
    json: JsonOption = False,
    url: RemoteOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """List what happened, the newest first."""
    query = AuditQuery(type, principal, conversation, _milliseconds(since), _milliseconds(until))
    if url is None and tenant is None:
        raise CommandFailed("name a tenant with --tenant; `-` is for what belongs to none")
    found = _read(url, data_dir, lambda source: _find(source, tenant, query, limit))
    if json:
        for line in found:
            typer.echo(_as_json(line))
        return
    table = Table("When", "Type", "Who", "For", "Conversation", "Outcome", "", box=None, pad_edge=False)
    for line in found:
        words = (line.get("principal"), line.get("on_behalf_of"), line.get("conversation_id"), line.get("outcome"))
        cells = (line["type"], *(word or "" for word in words), _details(line))
        table.add_row(format_time(line["at"]), *(escape(strip_controls(cell)) for cell in cells))
    Console(soft_wrap=True).print(table)


@audit.command()
def export(
    tenant: TenantOption = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file; else standard output.")] = None,
    url: RemoteOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Print all lines as JSON Lines, the oldest first; from the store, of all tenants if none is named."""
    with output.open("xb") if output is not None else nullcontext(sys.stdout.buffer) as target:

        async def write(source: AuditSource) -> None:
            async for piece in source.export(tenant):
                target.write(piece)
            target.flush()

        _read(url, data_dir, write)


@audit.command()
def heads(tenant: TenantOption = None, url: RemoteOption = None, data_dir: DataDirOption = None) -> None:
    """Print where the chains end, as JSON Lines. Kept elsewhere, they show later that nothing was made anew."""
    for head in _read(url, data_dir, lambda source: source.heads(tenant)):
        typer.echo(_as_json(asdict(head)))


@audit.command()
def verify(
    tenant: TenantOption = None,
    against: Annotated[
        Path | None, typer.Option("--against", help="What was printed earlier by `heads`, or by `export`.")
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", help="Verify an export of one tenant instead.")] = None,
    url: RemoteOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Find lines that were changed, moved or removed; the exit code is 1 if there are any. All tenants by default."""
    witnesses = {} if against is None else _witnesses(against)
    if file is not None:
        found = [asyncio.run(_verify_file(file, witnesses))]
    else:
        found = _read(url, data_dir, lambda source: _verify(source, tenant, witnesses))
    for verification in found:
        _show(verification)
    if not all(verification.is_whole for verification in found):
        raise typer.Exit(1)


async def _find(source: AuditSource, tenant: str | None, query: AuditQuery, limit: int) -> list[JsonObject]:
    found: list[JsonObject] = []
    before: int | None = None
    while len(found) < limit:
        page, before = await source.find(tenant, query, min(limit - len(found), MAX_PAGE), before)
        found += page
        if before is None:
            break
    return found


async def _verify(source: AuditSource, tenant: str | None, witnesses: dict[str, Head]) -> list[Verification]:
    heads = {head.tenant: head for head in await source.heads(tenant)}
    for name in witnesses if tenant is None else ():
        heads.setdefault(name, Head(name))  # a chain that was noted, and is not there any more
    return [await source.verify(head, witnesses.get(name)) for name, head in sorted(heads.items())]


async def _verify_file(file: Path, witnesses: dict[str, Head]) -> Verification:
    try:
        with file.open("rb") as source:
            first = source.readline()
            tenant = str(json.loads(first)["tenant"])
            source.seek(0)
            pieces = iter(lambda: source.read(PIECE_BYTES), b"")

            async def lines() -> AsyncIterator[bytes]:
                for piece in pieces:
                    yield piece

            return await verify_lines(parse_pieces(lines()), tenant, witness=witnesses.get(tenant))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommandFailed(f"{file} is no export of an audit: {error}") from error


def _witnesses(file: Path) -> dict[str, Head]:
    """The last head of each tenant in a file of heads or of exported lines. Raises CommandFailed."""
    found: dict[str, Head] = {}
    try:
        with file.open("rb") as lines:
            for text in lines:
                line = json.loads(text)
                found[line["tenant"]] = Head(line["tenant"], int(line["seq"]), line["hash"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommandFailed(f"{file} has no heads of an audit: {error}") from error
    return found


def _show(found: Verification) -> None:
    console = Console(soft_wrap=True)
    name = escape(found.tenant)
    if found.is_whole:
        end = f"lines {found.first_seq} to {found.last.seq}, the last with the hash {found.last.hash}"
        console.print(f"[green]✓[/] {name}: {end if found.lines else 'no lines'}", highlight=False)
        return
    console.print(f"[red]✗[/] {name}: it is not as it was written", highlight=False)
    for finding in found.findings:
        console.print(
            f"  line {finding.seq} {finding.fault}: {escape(strip_controls(finding.detail))}", highlight=False
        )


def _details(line: JsonObject) -> str:
    return " ".join(f"{name}={_short(value)}" for name, value in line.get("data", {}).items() if name != "act")


def _short(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _as_json(value: JsonObject) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)


def _read(url: str | None, data_dir: Path | None, action: Callable[[AuditSource], Awaitable[T]]) -> T:
    """Raises CommandFailed."""
    if url is None:
        return in_store(read_settings(data_dir=data_dir), lambda store: action(StoreSource(store)))

    async def ask() -> T:
        with open_client(url) as client:
            return await action(ServiceSource(client))

    return asyncio.run(ask())

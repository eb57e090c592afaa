"""`raylogue limits`: what a principal or a tenant may use, in the store itself, or with --url as the service allows."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from deployments.access.auditing import Auditor, machine_user
from deployments.access.known_limits import KnownLimits
from deployments.access.limits import KINDS, MILLIONTHS, Subject, parse_limits
from deployments.access.principal import LOCAL, PART
from deployments.access.request_limits import RequestLimits
from deployments.cli.errors import CommandFailed
from deployments.cli.options import DataDirOption, open_client, read_settings
from deployments.cli.own_store import in_store
from deployments.settings import Settings
from store import Store
from store.registries.limits import Values, tenant_of_subject

limits = typer.Typer(name="limits", help="Show and set what people and tenants may use.", no_args_is_help=True)

SubjectArgument = Annotated[str, typer.Argument(help="A principal, such as acme/ada, or a tenant, such as acme.")]
RemoteOption = Annotated[
    str | None, typer.Option("--url", help="Ask the service there, with RAYLOGUE_API_KEY; else the store is used.")
]


@limits.command()
def show(subject: SubjectArgument, url: RemoteOption = None, data_dir: DataDirOption = None) -> None:
    """Show the limits, and what is used now, or today."""
    if url is not None:
        with open_client(url) as client:
            found = client.get_limits(subject)
    else:
        settings = read_settings(data_dir=data_dir)
        named = _named(subject)
        found = in_store(settings, lambda store: _read(settings, store, named))
    table = Table("Limit", "Value", "Used", box=None, pad_edge=False)
    for kind in KINDS:
        used = found["used"].get(kind)
        table.add_row(kind, _amount(kind, found["limits"][kind], "none"), _amount(kind, used, ""))
    Console(soft_wrap=True).print(table)


@limits.command("set")
def set_limits(
    subject: SubjectArgument,
    values: Annotated[
        list[str],
        typer.Argument(
            help="Such as requests=20/second bytes=1000000/day turns=5 streams=20 tokens=2000000 cost=5.00."
        ),
    ],
    url: RemoteOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Set them in place of what was set; `none` is no limit, and what is left out is as for all."""
    try:
        wanted = parse_limits(",".join(values))
    except ValueError as error:
        raise CommandFailed(str(error)) from error
    if url is not None:
        with open_client(url) as client:
            client.set_limits(subject, wanted)
    else:
        named = _named(subject)
        in_store(read_settings(data_dir=data_dir), lambda store: _set(store, named.name, wanted))
    Console(stderr=True).print(f"[green]✓[/] set for {subject}", highlight=False)


@limits.command()
def clear(subject: SubjectArgument, url: RemoteOption = None, data_dir: DataDirOption = None) -> None:
    """Let the same hold for it as for all."""
    if url is not None:
        with open_client(url) as client:
            client.clear_limits(subject)
    else:
        named = _named(subject)
        in_store(read_settings(data_dir=data_dir), lambda store: _clear(store, named.name))
    Console(stderr=True).print(f"[green]✓[/] for {subject} holds what holds for all", highlight=False)


async def _set(store: Store, subject: str, values: Values) -> None:
    about = {"subject": subject, "limits": values, **machine_user()}
    async with Auditor(store.audit).act("limits_set", LOCAL, tenant=tenant_of_subject(subject), data=about):
        await store.limits.set(subject, values)


async def _clear(store: Store, subject: str) -> None:
    about = {"subject": subject, **machine_user()}
    async with Auditor(store.audit).act("limits_cleared", LOCAL, tenant=tenant_of_subject(subject), data=about):
        await store.limits.remove(subject)


async def _read(settings: Settings, store: Store, subject: Subject) -> dict[str, Any]:
    known = KnownLimits(settings, store)
    limits = await known.read(subject)
    return {"limits": limits.shown(), "used": await RequestLimits(known, store).used(subject)}


def _named(subject: str) -> Subject:
    """Raises CommandFailed."""
    parts = subject.split("/")
    if len(parts) > 2 or not all(PART.fullmatch(part) for part in parts):
        raise CommandFailed(f"{subject!r} is neither a principal, tenant/user, nor a tenant")
    return Subject(subject, is_tenant=len(parts) == 1)


def _amount(kind: str, value: str | int | None, none: str) -> str:
    if value is None:
        return none
    return f"${int(value) / MILLIONTHS:,.2f}" if kind == "cost" else str(value)

"""`raylogue keys`: make, list and revoke API keys, in the store itself, or with --url as the service allows it."""

from dataclasses import asdict
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from agents.clock import now_ms
from deployments.access.auditing import Auditor, machine_user
from deployments.access.granting import NotGranted, WantedKey, facts_of, grant_key
from deployments.access.principal import LOCAL, PART, Role, Scope
from deployments.cli.api import JsonObject
from deployments.cli.errors import CommandFailed
from deployments.cli.options import DataDirOption, open_client, read_settings
from deployments.cli.own_store import in_store
from deployments.cli.transcript import format_time, strip_controls
from deployments.settings import Settings
from store import Store
from store.registries.api_keys import ApiKey

DAY_SECONDS = 86_400

keys = typer.Typer(name="keys", help="Make, list and revoke API keys.", no_args_is_help=True)

RemoteOption = Annotated[
    str | None, typer.Option("--url", help="Ask the service there, with RAYLOGUE_API_KEY; else the store is used.")
]
TenantOption = Annotated[str | None, typer.Option("--tenant", help="Whose keys; with --url by default one's own.")]


@keys.command()
def create(
    user: Annotated[str | None, typer.Argument(help="Who acts by it: a person, or a service account.")] = None,
    tenant: TenantOption = None,
    role: Annotated[list[str] | None, typer.Option("--role", help="user, admin or operator; repeat it.")] = None,
    scope: Annotated[list[str] | None, typer.Option("--scope", help="read, write, decide or admin; else all.")] = None,
    label: Annotated[str, typer.Option("--label", help="What it is for.")] = "",
    days: Annotated[float | None, typer.Option("--days", help="How long it counts; else until it is revoked.")] = None,
    url: RemoteOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Make a key. It is printed on standard output once, and only a hash of it is kept."""
    seconds = None if days is None else max(1, round(days * DAY_SECONDS))
    wanted = {"tenant": tenant, "user": user, "roles": role or None, "scopes": scope or None, "label": label}
    if url is not None:
        with open_client(url) as client:
            made = client.create_key({**wanted, "seconds": seconds})
    else:
        made = _create_in_store(wanted, seconds, read_settings(data_dir=data_dir))
    who = f"{made['tenant']}/{made['user']} ({', '.join(made['roles'])}; {', '.join(made['scopes'])})"
    Console(stderr=True).print(f"Key {made['id']} of {who}; it is not shown again:", highlight=False, markup=False)
    typer.echo(made["key"])


@keys.command("list")
def list_keys(tenant: TenantOption = None, url: RemoteOption = None, data_dir: DataDirOption = None) -> None:
    """List the keys of a tenant, without what is secret of them."""
    if url is not None:
        with open_client(url) as client:
            found = client.list_keys(tenant)
    elif tenant is None:
        raise CommandFailed("name a tenant with --tenant")
    else:
        listed = in_store(read_settings(data_dir=data_dir), lambda store: store.api_keys.list(tenant))
        found = [asdict(key) for key in listed]
    if not found:
        Console(stderr=True).print("There are no keys.")
        return
    table = Table("Key", "User", "Roles", "Scopes", "Label", "Expires", "Last used", box=None, pad_edge=False)
    for key in found:
        times = (format_time(at) if at else "never" for at in (key["expires_at"], key["last_used_at"]))
        words = (" ".join(key["roles"]), " ".join(key["scopes"]), strip_controls(key["label"]))
        table.add_row(key["id"], f"{key['tenant']}/{key['user']}", *words, *times)
    Console(soft_wrap=True).print(table)


@keys.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The id of the key, as it is listed.")],
    url: RemoteOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Revoke a key: within seconds it counts no longer."""
    if url is not None:
        with open_client(url) as client:
            client.revoke_key(key_id)
    else:
        in_store(read_settings(data_dir=data_dir), lambda store: _revoke(store, key_id))
    Console(stderr=True).print(f"[green]✓[/] {key_id} counts no longer", highlight=False)


async def _revoke(store: Store, key_id: str) -> None:
    key = await store.api_keys.get(key_id)
    if key is None:
        raise CommandFailed(f"there is no key {key_id}")
    data = {**facts_of(key), **machine_user()}
    async with Auditor(store.audit).act("key_revoked", LOCAL, tenant=key.tenant, data=data):
        await store.api_keys.remove(key)


async def _add(store: Store, key: ApiKey) -> None:
    data = {**facts_of(key), **machine_user()}
    async with Auditor(store.audit).act("key_created", LOCAL, tenant=key.tenant, data=data):
        await store.api_keys.add(key)


def _create_in_store(wanted: dict[str, Any], seconds: int | None, settings: Settings) -> JsonObject:
    """Raises CommandFailed."""
    for part in (wanted["tenant"], wanted["user"]):
        if part is None:
            raise CommandFailed("name a user, and a tenant with --tenant")
        if not PART.fullmatch(part):
            raise CommandFailed(f"{part!r} is no id: letters, digits and ._@+|:- are taken")
    now = now_ms()
    asked = WantedKey(
        tenant=wanted["tenant"],
        user=wanted["user"],
        roles=_known(wanted["roles"], LOCAL.roles),
        scopes=_known(wanted["scopes"], LOCAL.scopes),
        label=wanted["label"],
        expires_at=None if seconds is None else now + seconds * 1000,
    )
    try:
        kept, text = grant_key(LOCAL, asked, now)
    except NotGranted as error:
        raise CommandFailed(str(error)) from error
    in_store(settings, lambda store: _add(store, kept))
    return {**asdict(kept), "key": text}


W = TypeVar("W", Role, Scope)


def _known(words: list[str] | None, known: frozenset[W]) -> frozenset[W] | None:
    """Raises CommandFailed."""
    if unknown := set(words or ()) - known:
        raise CommandFailed(f"{min(unknown)} is none of {', '.join(sorted(known))}")
    return frozenset(word for word in known if word in words) if words else None

"""`raylogue list`: the conversations, by filters and in an order."""

import json as encoder
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from deployments.cli.api import ApiClient, JsonObject
from deployments.cli.errors import CommandFailed
from deployments.cli.options import JsonOption, UrlOption, open_client
from deployments.cli.transcript import format_time, strip_controls

MAX_PAGE = 200


def list_(
    text: Annotated[str | None, typer.Argument(help='Words and "phrases" in the title or in what was said.')] = None,
    channel: Annotated[list[str] | None, typer.Option("--channel", help="Of this channel; repeat it.")] = None,
    batches: Annotated[bool, typer.Option("--batches", help="Also the conversations of batches, one a row.")] = False,
    agent: Annotated[list[str] | None, typer.Option("--agent", help="Of this agent; repeat it.")] = None,
    project: Annotated[list[str] | None, typer.Option("--project", help="Of this project; repeat it.")] = None,
    state: Annotated[list[str] | None, typer.Option("--state", help="idle, awaiting_input, …; repeat it.")] = None,
    owner: Annotated[str | None, typer.Option("--owner", help="That this principal owns.")] = None,
    member: Annotated[str | None, typer.Option("--member", help="That are shared with this principal.")] = None,
    since: Annotated[str | None, typer.Option("--since", help="Active since then: 2026-01-31 or with a time.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Active until then.")] = None,
    archived: Annotated[Literal["false", "true", "any"], typer.Option("--archived", help="Archived ones.")] = "false",
    whose: Annotated[
        Literal["mine", "tenant", "all"], typer.Option("--whose", help="tenant: for its admins; all: for operators.")
    ] = "mine",
    title: Annotated[bool, typer.Option("--title", help="Look for the text in titles alone.")] = False,
    sort: Annotated[Literal["updated", "created", "title"], typer.Option("--sort")] = "updated",
    order: Annotated[Literal["asc", "desc"] | None, typer.Option("--order")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 50,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """List conversations, the latest activity first."""
    query = {
        "text": text,
        "text_in": "title" if title else None,
        "channel": channel,
        "without_channel": None if channel or batches else ["batch"],
        "agent": agent,
        "project": project,
        "state": state,
        "owner": owner,
        "member": member,
        "updated_since": _milliseconds(since),
        "updated_until": _milliseconds(until),
        "archived": archived,
        "whose": whose,
        "sort": sort,
        "order": order,
    }
    with open_client(url) as client:
        found = _collect(client, {name: value for name, value in query.items() if value}, limit)
    if json:
        for conversation in found:
            typer.echo(encoder.dumps(conversation, ensure_ascii=False))
    elif found:
        Console(soft_wrap=True).print(_table(found))
    else:
        Console(stderr=True).print("There are no such conversations.")


def _collect(client: ApiClient, query: dict[str, Any], limit: int) -> list[JsonObject]:
    """The first `limit` of all pages; a page may be empty and not the last."""
    found: list[JsonObject] = []
    cursor: str | None = None
    while len(found) < limit:
        page = client.list_conversations({**query, "limit": min(limit - len(found), MAX_PAGE), "cursor": cursor})
        found += page["conversations"]
        cursor = page["next"]
        if cursor is None:
            break
    return found


def _table(found: list[JsonObject]) -> Table:
    table = Table("Conversation", "Title", "Agent", "Channel", "State", "Owner", "Updated", box=None, pad_edge=False)
    for one in found:
        state = f"{one['state']}, archived" if one["archived"] else one["state"]
        words = (one["title"] or "", one["agent"], one["channel"], state, one["owner"])
        table.add_row(one["id"], *map(strip_controls, words), format_time(one["updated_at"]))
        if (said := one.get("match", {}).get("text")) is not None:
            table.add_row("", f"  {one['match']['seq']}: {strip_controls(said)}")
    return table


def _milliseconds(time: str | None) -> int | None:
    """Raises CommandFailed."""
    if time is None:
        return None
    try:
        found = datetime.fromisoformat(time)
    except ValueError as error:
        raise CommandFailed(f"{time} is no time: write 2026-01-31 or 2026-01-31T12:00") from error
    return int(found.astimezone(UTC).timestamp() * 1000)

"""`raylogue batch`: puts many rows to an agent, watches, pauses, cancels, retries, and fetches the results."""

import json
import sys
import time
from typing import Annotated, Any, Final, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from deployments.cli.batches import BatchApi, open_batches, read_pieces, save_results
from deployments.cli.commands.batch_replay import replay
from deployments.cli.errors import CommandFailed
from deployments.cli.options import UrlOption
from deployments.cli.transcript import format_time, strip_controls

batch = typer.Typer(name="batch", help="Put many rows to an agent; results in order.", no_args_is_help=True)

batch.command("replay")(replay)

BatchArgument = Annotated[str, typer.Argument(metavar="BATCH")]
OutOption = Annotated[str, typer.Option("--out", help="Directory, or URL of fsspec, for results.jsonl and .parquet.")]
OVER: Final = ("done", "cancelled", "failed")
LOOK_SECONDS: Final = 0.5


@batch.command()
def run(
    file: Annotated[str, typer.Argument(help="JSON Lines or Parquet, plain or compressed: a path or a URL of fsspec.")],
    agent: Annotated[str, typer.Option("--agent", help="The agent that gets the rows.")],
    out: Annotated[str | None, typer.Option("--out", help="Directory, or URL of fsspec, for the results.")] = None,
    template: Annotated[
        str | None, typer.Option("--template", help="Message of a row: {{field}} is its field.")
    ] = None,
    columns: Annotated[str | None, typer.Option("--columns", help="Fields that results have too, with commas.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="One of the agent's models.")] = None,
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, max=500, help="Most rows at once.")] = 64,
    conversations: Annotated[
        Literal["keep", "archive", "delete"], typer.Option("--conversations", help="What becomes of them.")
    ] = "keep",
    provider_batch: Annotated[
        bool, typer.Option("--provider-batch", help="By the provider's cheaper batches.")
    ] = False,
    name: Annotated[str, typer.Option("--name", help="For people.")] = "",
    detach: Annotated[bool, typer.Option("--detach", help="Print the id, and do not wait.")] = False,
    url: UrlOption = None,
) -> None:
    """Upload rows, have each answered in a conversation of its own, and write the results in the order of the rows.

    Ctrl-C leaves the batch running.
    """
    if out is None and not detach:
        raise CommandFailed("say where the results go with --out, or do not wait for them with --detach")
    definition: dict[str, Any] = {
        "agent": agent,
        "template": template,
        "columns": [] if columns is None else [column.strip() for column in columns.split(",") if column.strip()],
        "model": model,
        "concurrency": concurrency,
        "conversations": conversations,
        "provider_batch": provider_batch,
        "name": name,
    }
    with open_batches(url) as client:
        definition["file"] = client.upload_rows(read_pieces(file))["id"]
        made = client.create_batch(definition)
        typer.echo(made["id"])
        if not detach:
            assert out is not None
            _finish(client, made["id"], out)


@batch.command()
def watch(batch_id: BatchArgument, out: OutOption, url: UrlOption = None) -> None:
    """Watch a batch to its end, and write its results."""
    with open_batches(url) as client:
        _finish(client, batch_id, out)


@batch.command("list")
def list_batches(
    everyone: Annotated[
        bool, typer.Option("--all", help="Those of the tenant, or of all, as your roles allow.")
    ] = False,
    state: Annotated[str | None, typer.Option("--state", help="Only batches in this state.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=200)] = 50,
    url: UrlOption = None,
) -> None:
    """List the newest batches."""
    asked = {"whose": "all" if everyone else "own", "limit": limit, **({"state": state} if state else {})}
    with open_batches(url) as client:
        found = client.list_batches(asked)
    if not found:
        Console(stderr=True).print("There are no batches.")
        return
    table = Table("Batch", "Agent", "State", "Rows", "Failed", "Cost", "Made", "Error", box=None, pad_edge=False)
    for one in found:
        rows = f"{one['succeeded'] + one['failed']}/{'?' if one['total'] is None else one['total']}"
        words = (one["id"], one["definition"]["agent"], one["state"], rows, str(one["failed"]))
        cost = f"${one['cost_usd']:.4f}"
        table.add_row(*words, cost, format_time(one["created_at"]), strip_controls(one["error"] or ""))
    Console(soft_wrap=True).print(table)


@batch.command()
def show(batch_id: BatchArgument, url: UrlOption = None) -> None:
    """Print a batch as JSON."""
    with open_batches(url) as client:
        typer.echo(json.dumps(client.get_batch(batch_id), indent=2, ensure_ascii=False))


@batch.command()
def row(
    batch_id: BatchArgument,
    number: Annotated[int, typer.Argument(metavar="ROW", min=1, help="Which one, from 1 on.")],
    url: UrlOption = None,
) -> None:
    """Print what has become of one row as JSON, also while the batch goes on."""
    with open_batches(url) as client:
        typer.echo(json.dumps(client.get_row(batch_id, number), indent=2, ensure_ascii=False))


@batch.command()
def failures(batch_id: BatchArgument, url: UrlOption = None) -> None:
    """Print the rows that failed, a line of JSON each."""
    after = 0
    with open_batches(url) as client:
        while found := client.list_failures(batch_id, after)["failures"]:
            for failure in found:
                typer.echo(json.dumps(failure, ensure_ascii=False))
            after = found[-1]["row"]


@batch.command()
def results(batch_id: BatchArgument, out: OutOption, url: UrlOption = None) -> None:
    """Write the results of a batch that is over."""
    with open_batches(url) as client:
        save_results(client, batch_id, out)
    Console(stderr=True).print(f"[green]✓[/] results are in {out}", highlight=False)


@batch.command()
def pause(batch_id: BatchArgument, url: UrlOption = None) -> None:
    """Begin no more rows; those under way come to their end."""
    _change(batch_id, "pause", url)


@batch.command()
def resume(batch_id: BatchArgument, url: UrlOption = None) -> None:
    """Go on with the rows that are not finished."""
    _change(batch_id, "resume", url)


@batch.command()
def cancel(batch_id: BatchArgument, url: UrlOption = None) -> None:
    """Begin no more rows, and end those under way."""
    _change(batch_id, "cancel", url)


@batch.command()
def retry(batch_id: BatchArgument, url: UrlOption = None) -> None:
    """Have the rows that failed begun anew."""
    _change(batch_id, "retry", url)


@batch.command()
def delete(batch_id: BatchArgument, url: UrlOption = None) -> None:
    """Forget a batch that is over, with its results."""
    with open_batches(url) as client:
        client.delete_batch(batch_id)
    Console(stderr=True).print(f"[green]✓[/] {batch_id} is deleted", highlight=False)


def _change(batch_id: str, action: str, url: str | None) -> None:
    with open_batches(url) as client:
        changed = client.change_batch(batch_id, action)
    Console(stderr=True).print(f"[green]✓[/] {batch_id}: {action} ({changed['state']})", highlight=False)


def _finish(client: BatchApi, batch_id: str, out: str) -> None:
    """Show how far it is until it is over, and save the results. Raises CommandFailed for one that failed or pauses."""
    found = _watch(client, batch_id)
    if found["state"] in ("failed", "paused", "waiting"):
        why = {
            "waiting": "rows wait for people: answer them with `raylogue approve`, then `raylogue batch watch`",
            "paused": f"it is paused: {found['error'] or 'on request'}",
            "failed": found["error"],
        }[found["state"]]
        raise CommandFailed(f"batch {batch_id}: {why}")
    save_results(client, batch_id, out)
    mark = "[green]✓[/]" if not found["failed"] else "[yellow]![/]"
    tokens = f"{found['input_tokens'] + found['output_tokens']} tokens, ${found['cost_usd']:.4f}"
    said = f"{found['succeeded']} rows succeeded, {found['failed']} failed; {tokens}; results are in {out}"
    Console(stderr=True).print(f"{mark} {said}", highlight=False)


def _watch(client: BatchApi, batch_id: str) -> dict[str, Any]:
    bar = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[said]}"))
    with Progress(*bar, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as progress:
        task = progress.add_task("queued", total=None, said="")
        while True:
            found = client.get_batch(batch_id)
            finished = found["succeeded"] + found["failed"]
            progress.update(
                task, description=found["state"], total=found["total"], completed=finished, said=_said(found)
            )
            if found["state"] in (*OVER, "waiting") or (found["state"] == "paused" and not found["requested"]):
                return found
            time.sleep(LOOK_SECONDS)


def _said(found: dict[str, Any]) -> str:
    rate, left, failed = found["rows_per_second"], found["seconds_left"], found["failed"]
    parts = [f"{rate:.1f}/s" if rate else "", f"{left // 60}:{left % 60:02} left" if left is not None else ""]
    parts += [f"{failed} failed" if failed else "", f"${found['cost_usd']:.4f}" if found["cost_usd"] else ""]
    return "  ".join(part for part in parts if part)

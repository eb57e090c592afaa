"""`raylogue jobs`: list, show, cancel and repeat jobs; and what has failed."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from deployments.cli.options import UrlOption, open_client
from deployments.cli.transcript import format_time, strip_controls

jobs = typer.Typer(name="jobs", help="List, show, cancel and retry jobs.", no_args_is_help=True)

AllOption = Annotated[bool, typer.Option("--all", help="Those of the tenant, or of all, as your roles allow.")]
TypeOption = Annotated[str | None, typer.Option("--type", help="Only jobs of this type.")]
JobArgument = Annotated[str, typer.Argument(metavar="JOB")]


@jobs.command("list")
def list_jobs(
    everyone: AllOption = False,
    state: Annotated[str | None, typer.Option("--state", help="Only jobs in this state.")] = None,
    type_name: TypeOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=200)] = 50,
    url: UrlOption = None,
) -> None:
    """List the newest jobs."""
    asked = {"whose": "all" if everyone else "own", "state": state, "type": type_name, "limit": limit}
    with open_client(url) as client:
        found = client.list_jobs(asked)
    if not found:
        Console(stderr=True).print("There are no jobs.")
        return
    table = Table("Job", "Type", "Owner", "State", "Attempts", "Made", "Due", "Error", box=None, pad_edge=False)
    for job in found:
        words = (job["id"], job["type"], job["owner"], job["state"], str(job["attempts"]))
        due = format_time(job["due_at"]) if job["state"] == "waiting" else ""
        table.add_row(*words, format_time(job["created_at"]), due, strip_controls(job["error"] or ""))
    Console(soft_wrap=True).print(table)


@jobs.command()
def show(job_id: JobArgument, url: UrlOption = None) -> None:
    """Print a job as JSON."""
    with open_client(url) as client:
        _print(client.get_job(job_id))


@jobs.command()
def cancel(job_id: JobArgument, url: UrlOption = None) -> None:
    """End a job that is not over."""
    with open_client(url) as client:
        client.cancel_job(job_id)
    Console(stderr=True).print(f"[green]✓[/] {job_id} is cancelled", highlight=False)


@jobs.command()
def retry(job_id: JobArgument, url: UrlOption = None) -> None:
    """Do a job that is over once more; the id of the new job is printed."""
    with open_client(url) as client:
        typer.echo(client.retry_job(job_id)["id"])


@jobs.command()
def failures(
    stage: Annotated[str | None, typer.Option("--stage", help="type, payload, run or worker.")] = None,
    type_name: TypeOption = None,
    conversation: Annotated[str | None, typer.Option("--conversation", help="Only those about this one.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=200)] = 50,
    url: UrlOption = None,
) -> None:
    """Print the attempts that failed lately, a line of JSON each, the newest first."""
    asked = {"stage": stage, "type": type_name, "conversation": conversation, "limit": limit}
    with open_client(url) as client:
        for failure in client.list_job_failures(asked):
            typer.echo(json.dumps(failure, ensure_ascii=False))


def _print(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))

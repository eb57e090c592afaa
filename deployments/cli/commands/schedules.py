"""`raylogue schedules`: add, list, show, change, pause, resume, run and delete schedules; and how their runs went."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deployments.cli.api import ApiClient
from deployments.cli.errors import CommandFailed
from deployments.cli.options import UrlOption, open_client
from deployments.cli.transcript import format_time, strip_controls

schedules = typer.Typer(name="schedules", help="Have work done at its time, without a person.", no_args_is_help=True)

PATH = "/v1/schedules"
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

ScheduleArgument = Annotated[str, typer.Argument(metavar="SCHEDULE")]
RunArgument = Annotated[str, typer.Argument(metavar="RUN")]
CronOption = Annotated[str | None, typer.Option("--cron", help="Five or six fields, or such as @daily.")]
EveryOption = Annotated[str | None, typer.Option("--every", help="An interval instead, such as 90s, 15m, 6h, 1d.")]
ZoneOption = Annotated[str | None, typer.Option("--zone", help="An IANA time zone, such as Europe/Berlin.")]
StartOption = Annotated[str | None, typer.Option("--start", help="Nothing before: such as 2026-07-01T08:00.")]
EndOption = Annotated[str | None, typer.Option("--end", help="Nothing after.")]
JitterOption = Annotated[int | None, typer.Option("--jitter", help="Seconds within which its runs begin.")]
OverlapOption = Annotated[
    Literal["skip", "queue", "allow", "cancel"] | None,
    typer.Option("--overlap", help="While the run before is not over: skip by default."),
]
MissedOption = Annotated[
    Literal["skip", "once", "all"] | None, typer.Option("--missed", help="Of missed times: once by default.")
]
FailuresOption = Annotated[int | None, typer.Option("--max-failures", help="In a row, until it pauses itself.")]
PromptOption = Annotated[str | None, typer.Option("--prompt", help="What to tell the agent; {{date}} is the due date.")]
PromptFileOption = Annotated[Path | None, typer.Option("--prompt-file", help="The same from a file.")]
AgentOption = Annotated[str | None, typer.Option("--agent", help="Which agent; else the default one.")]
ConversationOption = Annotated[
    str | None, typer.Option("--conversation", help="Speak to this one, not to a new one each time.")
]
ModelOption = Annotated[str | None, typer.Option("--model", help="One of the agent's models.")]
QuietOption = Annotated[str | None, typer.Option("--quiet", help="An answer that is exactly this is no news.")]
JobOption = Annotated[str | None, typer.Option("--job", help="A type of job instead of an agent.")]
PayloadOption = Annotated[str | None, typer.Option("--payload", help="The payload of the job, as JSON.")]
NameOption = Annotated[str | None, typer.Option("--name", help="Another name.")]


@schedules.command("add")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    cron: CronOption = None,
    every: EveryOption = None,
    zone: ZoneOption = None,
    start: StartOption = None,
    end: EndOption = None,
    jitter: JitterOption = None,
    overlap: OverlapOption = None,
    missed: MissedOption = None,
    max_failures: FailuresOption = None,
    prompt: PromptOption = None,
    prompt_file: PromptFileOption = None,
    agent: AgentOption = None,
    conversation: ConversationOption = None,
    model: ModelOption = None,
    quiet: QuietOption = None,
    job: JobOption = None,
    payload: PayloadOption = None,
    url: UrlOption = None,
) -> None:
    """Make a schedule; its id is printed."""
    wanted = _definition(locals())
    with open_client(url) as client:
        made = client.ask("POST", PATH, wanted)
    typer.echo(made["id"])
    _say_when_due(made)


@schedules.command("change")
def change(
    schedule: ScheduleArgument,
    name: NameOption = None,
    cron: CronOption = None,
    every: EveryOption = None,
    zone: ZoneOption = None,
    start: StartOption = None,
    end: EndOption = None,
    jitter: JitterOption = None,
    overlap: OverlapOption = None,
    missed: MissedOption = None,
    max_failures: FailuresOption = None,
    prompt: PromptOption = None,
    prompt_file: PromptFileOption = None,
    agent: AgentOption = None,
    conversation: ConversationOption = None,
    model: ModelOption = None,
    quiet: QuietOption = None,
    job: JobOption = None,
    payload: PayloadOption = None,
    url: UrlOption = None,
) -> None:
    """Change what is given; an empty text takes a field away. With --cron, an interval goes, and vice versa."""
    changes = {name: value if value != "" else None for name, value in _definition(locals()).items()}
    for one, other in (("cron", "every"), ("every", "cron"), ("agent", "conversation"), ("conversation", "agent")):
        if changes.get(one) is not None:
            changes.setdefault(other, None)
    if not changes:
        raise CommandFailed("nothing to change is given")
    with open_client(url) as client:
        _say_when_due(client.ask("PATCH", _path(schedule), changes))


@schedules.command("list")
def list_schedules(
    everyone: Annotated[
        bool, typer.Option("--all", help="Those of the tenant, or of all, as your roles allow.")
    ] = False,
    url: UrlOption = None,
) -> None:
    """List schedules, the newest first."""
    query = f"{PATH}?limit=200&whose={'all' if everyone else 'own'}"
    with open_client(url) as client:
        found = _all_pages(client, query, "schedules")
    if not found:
        Console(stderr=True).print("There are no schedules.")
        return
    table = Table("Schedule", "Name", "Owner", "State", "When", "Runs", "Next", box=None, pad_edge=False)
    for one in found:
        state = "paused (failures)" if one["paused_by"] == "failures" else one["state"]
        due = format_time(one["next"][0]) if one["next"] else ""
        words = (one["id"], one["name"], one["owner"], state, _when(one))
        table.add_row(*(escape(strip_controls(word)) for word in words), str(len(one["runs"]) or ""), due)
    Console(soft_wrap=True).print(table)


@schedules.command("show")
def show(schedule: ScheduleArgument, url: UrlOption = None) -> None:
    """Print a schedule as JSON."""
    with open_client(url) as client:
        _print(client.ask("GET", _path(schedule)))


@schedules.command("next")
def show_next(schedule: ScheduleArgument, url: UrlOption = None) -> None:
    """Print the next five due times, in the schedule's time zone."""
    with open_client(url) as client:
        found = client.ask("GET", _path(schedule))
    for due in found["next"]:
        typer.echo(datetime.fromtimestamp(due / 1000, UTC).astimezone(ZoneInfo(found["zone"])).isoformat())


@schedules.command("history")
def history(
    schedule: ScheduleArgument,
    limit: Annotated[int, typer.Option("--limit", min=1, max=200)] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON for each.")] = False,
    url: UrlOption = None,
) -> None:
    """List the runs, the newest first."""
    with open_client(url) as client:
        runs = client.ask("GET", f"{_path(schedule)}/runs?limit={limit}")["runs"]
    if as_json:
        for run in runs:
            typer.echo(json.dumps(run, ensure_ascii=False))
        return
    table = Table("Run", "Due", "State", "Tokens", "Cost", "Where", "Result or error", box=None, pad_edge=False)
    for run in runs:
        tokens, cost = sum(run["usage"].values()), "" if run["cost"] is None else f"${run['cost'] / 1e6:.4f}"
        words = " ".join(strip_controls(run["error"] or run["result"] or "").split())[:60]
        where = run["conversation"] or run["job"] or ""
        table.add_row(
            run["id"], format_time(run["due_at"]), run["state"], str(tokens or ""), cost, where, escape(words)
        )
    Console(soft_wrap=True).print(table)


@schedules.command("run")
def run_now(schedule: ScheduleArgument, url: UrlOption = None) -> None:
    """Have it run once more, now; the id of the run is printed."""
    with open_client(url) as client:
        typer.echo(client.ask("POST", f"{_path(schedule)}/runs")["id"])


@schedules.command("cancel")
def cancel(schedule: ScheduleArgument, run: RunArgument, url: UrlOption = None) -> None:
    """Have a run end that is not over."""
    with open_client(url) as client:
        client.ask("POST", f"{_path(schedule)}/runs/{run}/cancel")


@schedules.command("pause")
def pause(schedule: ScheduleArgument, url: UrlOption = None) -> None:
    """Have nothing run until it is resumed."""
    with open_client(url) as client:
        client.ask("POST", f"{_path(schedule)}/pause")
    Console(stderr=True).print(f"[green]✓[/] {schedule} is paused", highlight=False)


@schedules.command("resume")
def resume(schedule: ScheduleArgument, url: UrlOption = None) -> None:
    """Let it go on; what was due meanwhile is not made up for."""
    with open_client(url) as client:
        _say_when_due(client.ask("POST", f"{_path(schedule)}/resume"))


@schedules.command("delete")
def delete(schedule: ScheduleArgument, url: UrlOption = None) -> None:
    """Delete it with its history; the conversations of its runs stay."""
    with open_client(url) as client:
        client.ask("DELETE", _path(schedule))
    Console(stderr=True).print(f"[green]✓[/] {schedule} is deleted", highlight=False)


def _definition(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a schedule that were given, as the API takes them."""
    wanted = {key: value for key, value in given.items() if value is not None and key not in ("url", "schedule")}
    if (file := wanted.pop("prompt_file", None)) is not None:
        wanted["prompt"] = _read(file)
    if wanted.get("every"):
        wanted["every"] = _seconds(wanted["every"])
    for bound in ("start", "end"):
        if wanted.get(bound):
            wanted[bound] = _time(wanted[bound], given["zone"])
    if wanted.get("payload"):
        try:
            wanted["payload"] = json.loads(wanted["payload"])
        except ValueError as error:
            raise CommandFailed(f"--payload is no JSON: {error}") from error
    return wanted


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{file} cannot be read: {error}") from error


def _seconds(interval: str) -> int:
    number, unit = interval[:-1], UNITS.get(interval[-1:])
    if interval.isascii() and interval.isdecimal():
        return int(interval)
    if unit is None or not (number.isascii() and number.isdecimal()):
        raise CommandFailed(f"{interval!r} is no interval: write such as 90s, 15m, 6h or 1d")
    return int(number) * unit


def _time(text: str, zone: str | None) -> int:
    """Milliseconds since 1970; a time without an offset is in the zone that is given, else in this machine's."""
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            at = at.replace(tzinfo=ZoneInfo(zone)) if zone else at.astimezone()
        return round(1000 * at.timestamp())
    except (ValueError, OSError, KeyError) as error:
        raise CommandFailed(f"{text!r} is no time: write such as 2026-07-01T08:00") from error


def _all_pages(client: ApiClient, query: str, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    page = client.ask("GET", query)
    found += page[name]
    while page["next"] is not None:
        page = client.ask("GET", f"{query}&cursor={page['next']}")
        found += page[name]
    return found


def _when(one: Mapping[str, Any]) -> str:
    return f"{one['cron']} {one['zone']}" if one["cron"] else f"every {one['every']} s"


def _say_when_due(one: Mapping[str, Any]) -> None:
    due = f"is due at {format_time(one['next'][0])}" if one["next"] else "is not due any more"
    Console(stderr=True).print(f"[green]✓[/] {escape(strip_controls(one['name']))} {due}", highlight=False)


def _path(schedule: str) -> str:
    return f"{PATH}/{quote(schedule, safe='')}"


def _print(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))

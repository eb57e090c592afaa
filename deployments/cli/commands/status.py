"""`raylogue status`: whether the service runs on this machine, where, and whether it is ready."""

import time

import typer
from rich.console import Console

from deployments.cli.api import ApiClient, JsonObject
from deployments.cli.errors import CommandFailed
from deployments.cli.options import DataDirOption, JsonOption, api_key, read_settings
from deployments.local.record import RunRecord, find_running

NOT_RUNNING = 3
LATE_SECONDS = 60.0
"""How long an entry of the feed may wait for a consumer before that is said."""
CAUSES = {
    "model": "the model {} answers nothing",
    "tool": "the tool {} does not end",
    "host": "{} answers nobody",
    "owner": "it lives nowhere",
}


def status(data_dir: DataDirOption = None, json: JsonOption = False) -> None:
    """Show the service that runs on this machine; the exit code is 3 when there is none."""
    settings = read_settings(data_dir=data_dir)
    record = find_running(settings.data_dir)
    if record is None:
        typer.echo('{"state": "stopped"}' if json else "Raylogue is not running: start it with `raylogue up`")
        raise typer.Exit(NOT_RUNNING)
    if json:
        typer.echo(record.model_dump_json())
    else:
        _show(record, api_key(settings))


def _show(record: RunRecord, key: str | None) -> None:
    console = Console()
    state, alarms = _state(record, key)
    rows = {
        "State": state,
        "Page": record.url,
        "Dashboard": record.dashboard,
        "Redis": record.redis,
        "Process": record.pid,
    }
    for name, value in rows.items():
        if value is not None:
            console.print(f"{name:<10} {value}", highlight=False, markup=False, soft_wrap=True)
    for alarm in alarms:
        console.print(alarm, highlight=False, markup=False, soft_wrap=True, style="red")


def _state(record: RunRecord, key: str | None) -> tuple[str, list[str]]:
    """The state in words; the turns that make no progress, and the groups of the feed that are late, a line each."""
    if record.state == "starting":
        return "starting", []
    try:
        with ApiClient(record.url, api_key=key) as client:
            client.require_ready()
            info = client.get_info()
            alarms = [f"Stuck      {describe_stuck_turn(turn)}" for turn in client.list_stuck_turns()]
            late = map(describe_late_group, client.list_feed_groups())
            alarms += [f"Feed       {line}" for line in late if line is not None]
    except CommandFailed as error:
        return f"running, but not ready: {error}", []
    return f"ready, version {info['version']}{', offline' if info['offline'] else ''}", alarms


def describe_late_group(group: JsonObject) -> str | None:
    """What is wrong with a group of the feed, in one line; None if nothing is."""
    seconds = 0 if group["oldest_at"] is None else time.time() - group["oldest_at"] / 1000
    causes = []
    if seconds >= LATE_SECONDS:
        causes.append(f"is {group['lag']} entries behind, for {seconds / 60:.0f} min")
    if group["aside"]:
        causes.append(f"could not take {group['aside']} entries, which are set aside")
    if group["lost"]:
        causes.append(f"has lost {group['lost']} entries: it was away for too long")
    return f"{group['name']} {', '.join(causes)}" if causes else None


def describe_stuck_turn(turn: JsonObject) -> str:
    """A stuck turn in one line."""
    waits = ", ".join(CAUSES[cause["kind"]].format(cause.get("name")) for cause in turn["waits_for"])
    minutes = (time.time() - turn["progress_at"] / 1000) / 60
    return f"{turn['conversation_id']} ({turn['agent']}) for {minutes:.0f} min: {waits}; `raylogue abort` frees it"

"""`raylogue status`: whether the service runs on this machine, where, and whether it is ready."""

import time

import typer
from rich.console import Console

from deployments.cli.api import ApiClient, JsonObject
from deployments.cli.errors import CommandFailed
from deployments.cli.options import DataDirOption, JsonOption, read_settings
from deployments.local.record import RunRecord, find_running

NOT_RUNNING = 3
CAUSES = {
    "model": "the model {} answers nothing",
    "tool": "the tool {} does not end",
    "host": "{} answers nobody",
    "owner": "it lives nowhere",
}


def status(data_dir: DataDirOption = None, json: JsonOption = False) -> None:
    """Show the service that runs on this machine; the exit code is 3 when there is none."""
    record = find_running(read_settings(data_dir=data_dir).data_dir)
    if record is None:
        typer.echo('{"state": "stopped"}' if json else "Raylogue is not running: start it with `raylogue up`")
        raise typer.Exit(NOT_RUNNING)
    if json:
        typer.echo(record.model_dump_json())
    else:
        _show(record)


def _show(record: RunRecord) -> None:
    console = Console()
    state, stuck = _state(record)
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
    for turn in stuck:
        console.print(
            f"Stuck      {describe_stuck_turn(turn)}", highlight=False, markup=False, soft_wrap=True, style="red"
        )


def _state(record: RunRecord) -> tuple[str, list[JsonObject]]:
    """The state in words, and the turns that make no progress."""
    if record.state == "starting":
        return "starting", []
    try:
        with ApiClient(record.url) as client:
            client.require_ready()
            info = client.get_info()
            stuck = client.list_stuck_turns()
    except CommandFailed as error:
        return f"running, but not ready: {error}", []
    return f"ready, version {info['version']}{', offline' if info['offline'] else ''}", stuck


def describe_stuck_turn(turn: JsonObject) -> str:
    """A stuck turn in one line."""
    waits = ", ".join(CAUSES[cause["kind"]].format(cause.get("name")) for cause in turn["waits_for"])
    minutes = (time.time() - turn["progress_at"] / 1000) / 60
    return f"{turn['conversation_id']} ({turn['agent']}) for {minutes:.0f} min: {waits}; `raylogue abort` frees it"

"""`raylogue batch replay`: tries a change on past conversations, and writes old and new side by side."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from deployments.cli.errors import CommandFailed
from deployments.cli.options import UrlOption
from deployments.cli.replays import SUMMARY, ReplayApi, open_replays, save_replay
from deployments.cli.transcript import strip_controls

LOOK_SECONDS: Final = 0.5
OVER: Final = ("done", "failed", "paused")
LIVE: Final = "--mode live runs tools, with all their effects: say it twice, by --run-tools as well"


def replay(
    where: Annotated[
        str | None, typer.Option("--where", help="Which conversations: 'agent=assistant since=7d limit=100'.")
    ] = None,
    out: Annotated[str | None, typer.Option("--out", help="Directory, or URL of fsspec, for the results.")] = None,
    agent: Annotated[str | None, typer.Option("--agent", help="The agent that answers; else each one's own.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="The model that answers.")] = None,
    prompt: Annotated[Path | None, typer.Option("--prompt", help="File with another system prompt.")] = None,
    without_tools: Annotated[
        str | None, typer.Option("--without-tools", help="Tools that the model does not get, with commas.")
    ] = None,
    mode: Annotated[
        Literal["forced", "recorded", "live"],
        typer.Option("--mode", help="forced: round by round; recorded: freely, on recorded tools; live: on real ones."),
    ] = "forced",
    run_tools: Annotated[bool, typer.Option("--run-tools", help="With --mode live: really run the tools.")] = False,
    judge: Annotated[str | None, typer.Option("--judge", help="The agent that scores what differs.")] = None,
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, max=64, help="At once, on each node.")] = 8,
    resume: Annotated[str | None, typer.Option("--resume", metavar="REPLAY", help="Go on with this one.")] = None,
    pause: Annotated[str | None, typer.Option("--pause", metavar="REPLAY", help="Stop this one for now.")] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Print the id, and do not wait.")] = False,
    url: UrlOption = None,
) -> None:
    """Try another model, prompt, set of tools or agent on past conversations; they stay as they are.

    Ctrl-C leaves the replay running; --resume ID waits for it again.
    """
    if mode == "live" and not run_tools:
        raise CommandFailed(LIVE)
    if [where, resume, pause].count(None) != 2:
        raise CommandFailed("name the conversations with --where, or a replay with --resume or --pause")
    if out is None and pause is None and not detach:
        raise CommandFailed("say where the results go with --out, or do not wait for them with --detach")
    order: dict[str, Any] = {
        "where": where,
        "mode": mode,
        "agent": agent,
        "model": model,
        "system_prompt": None if prompt is None else _read(prompt),
        "without_tools": [name.strip() for name in (without_tools or "").split(",") if name.strip()],
        "judge": judge,
        "concurrency": concurrency,
        "run_tools": run_tools,
    }
    with open_replays(url) as client:
        if pause is not None:
            client.change_replay(pause, "pause")
            return
        made = client.create_replay(order) if resume is None else client.change_replay(resume, "resume")
        typer.echo(made["id"])
        if not detach:
            assert out is not None
            _finish(client, made["id"], out)


def _finish(client: ReplayApi, replay_id: str, out: str) -> None:
    """Show how far it is until it is over, then write what there is."""
    found = _watch(client, replay_id)
    totals = save_replay(client, found, out)
    console = Console(stderr=True)
    same = totals.verdicts["same"]
    console.print(f"{totals.rows} compared, {same} the same: {out}", highlight=False, soft_wrap=True)
    if found["state"] != "done":
        raise CommandFailed(f"the replay is {found['state']}{_why(found)}; go on with --resume {replay_id}")
    console.print(f"[green]✓[/] {out.rstrip('/')}/{SUMMARY}", highlight=False, soft_wrap=True)


def _watch(client: ReplayApi, replay_id: str) -> Mapping[str, Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as progress:
        task = progress.add_task("conversations", total=None)
        while True:
            found = client.get_replay(replay_id)
            progress.update(task, completed=found["done"], total=found["total"])
            if found["state"] in OVER:
                return found
            time.sleep(LOOK_SECONDS)


def _why(found: Mapping[str, Any]) -> str:
    return f" ({strip_controls(found['error'])})" if found["error"] else ""


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{path} cannot be read: {error}") from error

"""`raylogue reindex`: make every index again from what the store has, while the service runs or not."""

import typer
from rich.console import Console

from deployments.cli.options import DataDirOption, read_settings
from deployments.cli.own_store import audited, in_store
from deployments.indexes.reindex import Reindexed, reindex
from store import Store


def reindex_(data_dir: DataDirOption = None) -> None:
    """Make the lists, the sub-agents', the unfinished turns', the client ids' and the keys' indexes again."""
    console = Console(stderr=True)

    def report(done: Reindexed) -> None:
        console.print(f"{done.conversations} conversations", end="\r", highlight=False)

    async def reindex_audited(store: Store) -> Reindexed:
        async with audited(store, "reindexed"):
            return await reindex(store, report)

    done = in_store(read_settings(data_dir=data_dir), reindex_audited)
    console.print(f"[green]✓[/] {done.conversations} conversations in {done.lists} lists", highlight=False)
    typer.echo(f"{done.unfinished} turns are unfinished, {done.keys} API keys are listed")
    if done.orphans:
        typer.echo(f"{done.orphans} conversations of sub-agents have lost their parent: delete them by their ids")
    if done.unreadable:
        typer.echo(f"{done.unreadable} logs cannot be read now, and keep the indexes that they had")

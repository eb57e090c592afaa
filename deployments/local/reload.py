"""`raylogue dev`: watches the operator's agents, and deploys them again when their files have changed."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from deployments.local.cluster import deployment
from deployments.local.errors import CannotStart
from deployments.process.agents_check import AgentsBroken, check_agents
from deployments.process.own_modules import files_of
from deployments.settings import Settings

LOOK_SECONDS = 0.5
SETTLE_SECONDS = 0.2
"""How long the files must rest: several may be saved at once."""

Stamps = dict[Path, tuple[int, int]]


def watch_agents(settings: Settings, console: Console) -> None:
    """Never returns. `settings.agents` is set; a line on the console says what became of each change."""
    module = str(settings.agents).partition(":")[0]
    files = files_of(module)
    running = _digest(files)
    names = ", ".join(sorted({file.name for file in files}))
    console.print(f"  [dim]Watching {escape(names)}[/]\n", highlight=False, soft_wrap=True)
    for changed in _changes(module, files):
        code = _digest(changed)
        if code == running:
            console.print("[green]✓[/] The files are again as they run", highlight=False)
            continue
        begin = time.monotonic()
        try:
            agents = _deploy(settings, code)
        except (AgentsBroken, CannotStart) as error:
            text = f"[red]✗[/] {escape(str(error))}; the earlier code keeps running"
            console.print(text, highlight=False, soft_wrap=True)
        else:
            running = code
            text = f"[green]✓[/] Reloaded: {escape(', '.join(agents))} [dim]{time.monotonic() - begin:.1f} s[/]"
            console.print(text, highlight=False, soft_wrap=True)


def _deploy(settings: Settings, code: str) -> list[str]:
    """The names of the agents, once they are served. Raises AgentsBroken or CannotStart."""
    with deployment() as deploy:  # its imports take longer than the check
        agents = check_agents(settings)
        deploy(code)
    return agents


def _changes(module: str, files: list[Path]) -> Iterator[list[Path]]:
    """The files of the agents, each time after one of them was written, or others belong to them."""
    looked, written = _stamps([*files, *_folders(files)]), _stamps(files)
    while True:
        time.sleep(LOOK_SECONDS)
        if _stamps(looked) == looked:
            continue
        # What the files import may have changed, and a file that was missing may be there.
        files = files_of(module) or files
        looked = _stamps([*files, *_folders(files)])
        time.sleep(SETTLE_SECONDS)
        if _stamps(looked) == looked and _stamps(files) != written:
            written = _stamps(files)
            yield files


def _folders(files: list[Path]) -> set[Path]:
    return {file.parent for file in files}


def _stamps(paths: list[Path] | Stamps) -> Stamps:
    """When each was written, and its size; what is not there is left out."""
    stamps = {}
    for path in paths:
        with suppress(OSError):
            stat = path.stat()
            stamps[path] = (stat.st_mtime_ns, stat.st_size)
    return stamps


def _digest(files: list[Path]) -> str:
    """A name for this state of the files."""
    digest = hashlib.blake2b(digest_size=8)
    for file in files:
        digest.update(str(file).encode())
        with suppress(OSError):
            digest.update(file.read_bytes())
    return digest.hexdigest()

"""Tells whoever started the service what it is doing, in a terminal and in a log file alike."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

Say = Callable[[str], None]


class Progress:
    """Prints one line per finished step; in a terminal, the running step spins below them."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def step(self, title: str) -> Iterator[Say]:
        """A step; the value it yields prints a remark that belongs to it."""
        begin = time.monotonic()
        with self.console.status(title):
            yield lambda remark: self.console.print(f"  {remark}", style="yellow", highlight=False)
        seconds = time.monotonic() - begin
        self.console.print(f"[green]✓[/] {title} [dim]{seconds:.1f} s[/]", highlight=False)

"""A transcript of what a person types on machines, and of what they answer: the source of a document, and its test."""

import re
import textwrap
import time
from pathlib import Path

from tests.support.containers import HOME, Container

PATIENCE_SECONDS = 150.0
VARYING: tuple[tuple[str, str], ...] = (
    (r"\x1b\[[0-9;?]*[A-Za-z]", ""),
    (r"\b\d+\.\d s\b", "1.5 s"),
    (r"\brl_[a-z2-7]{12}_[\w-]+", "rl_abcdefgh2345_…"),
    (r"\bKey [a-z2-7]{12}\b", "Key abcdefgh2345"),
    (r"\bnode_[0-9a-f]{56}", "node_…"),
    (r"(?m)^.*\tSUCC .* -- ", ""),
    (r"\S+(?=/\.venv/bin/ray get)", "."),
    (re.escape(HOME), "~"),
    (r"\bprocess \d+", "process 4242"),
    (r"(?m)^.* open files are enough .*\n?", ""),
    (r"(?m)[ \t]+$", ""),
)
"""What differs from one run to the next, and what the document has in its place."""
ID = re.compile(r"\b[0-9a-f]{32}\b")
WIDTH = 118


class Terminal:
    """One in which a program runs that goes on, on a machine; what it says is read as it comes."""

    def __init__(self, machine: Container, folder: str, name: str) -> None:
        self._machine = machine
        self._folder = folder
        self._log, self._pid = f"/run/{name}.log", f"/run/{name}.pid"
        self._read = 0

    def start(self, command: str) -> None:
        """Start a program, at the head of a group of processes as a shell does it."""
        self._read = 0
        self._machine.path(self._log).write_text("")
        script = f"echo $$ > {self._pid}; cd {self._folder}; {command}"
        self._machine.start_process(f"exec setsid bash -c '{script}' > {self._log} 2>&1")

    def read_until(self, mark: str) -> str:
        """What it says up to the end of the line that has `mark`, from where it was read last."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            text = self._machine.path(self._log).read_text()
            found = text.find(mark, self._read)
            end = text.find("\n", found)
            if found >= 0 and end >= 0:
                said, self._read = text[self._read : end + 1], end + 1
                return said
            assert time.monotonic() < deadline, f"{mark!r} did not come:\n{text[-4000:]}"
            time.sleep(0.1)

    def interrupt(self) -> None:
        """Ctrl-C: SIGINT to the whole group; returns when its first process has ended."""
        pid = self._machine.path(self._pid).read_text().strip()
        self._machine.run(f"kill -INT -- -{pid}; while kill -0 {pid} 2>/dev/null; do sleep 0.1; done")

    def read_rest(self) -> str:
        """What has not been read yet."""
        text = self._machine.path(self._log).read_text()
        said, self._read = text[self._read :], len(text)
        return said


class Transcript:
    """The document, as it grows: text of ours, commands, and what came of them. All is typed in `folder`."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._parts: list[str] = []
        self._typed = -1
        self._ids: dict[str, str] = {}

    def say(self, text: str) -> None:
        """Paragraphs and headings, which blank lines separate; the lines are filled anew."""
        for paragraph in textwrap.dedent(text).strip().split("\n\n"):
            self._parts.append(textwrap.fill(" ".join(paragraph.split()), WIDTH, break_on_hyphens=False))

    def write(self, machine: Container, name: str, content: str) -> None:
        """A file that the person writes, shown whole."""
        machine.path(f"{self._folder}/{name}").write_text(content)
        self._parts.append(f"```python\n{content.strip()}\n```")

    def type(self, machine: Container, command: str, *, before: str = "true", keep: str = "", times: int = 1) -> str:
        """A command that ends, and its output, which is returned.

        `before` is what the shell has been told earlier. Only lines that match `keep` are shown; the command is
        repeated until there are so many of them.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            said = machine.run(f"cd {self._folder} && {before} && {command}", check=False)
            lines = [line for line in said.splitlines() if re.search(keep, line)]
            if len(lines) >= times or not keep or time.monotonic() > deadline:
                self._add([f"$ {command}", *lines], joined=self._typed == len(self._parts) - 1)
                self._typed = len(self._parts) - 1
                return said

    def start(self, terminal: Terminal, command: str, until: str) -> None:
        """A command that goes on in the terminal, and what it says up to a mark."""
        terminal.start(command)
        self._add([f"$ {command}", *terminal.read_until(until).splitlines()])

    def show(self, terminal: Terminal, until: str) -> None:
        """What the terminal says next, up to a mark."""
        self._add(terminal.read_until(until).splitlines())

    def interrupt(self, terminal: Terminal) -> None:
        """Ctrl-C, and the last words."""
        terminal.interrupt()
        self._add(["^C", *terminal.read_rest().splitlines()])

    def text(self) -> str:
        """The document up to now, in Markdown."""
        return "\n\n".join(self._parts) + "\n"

    def _add(self, lines: list[str], *, joined: bool = False) -> None:
        """Another block, or more lines of the last one."""
        text = "\n".join(lines)
        for pattern, shown in VARYING:
            text = re.sub(pattern, shown, text)
        text = ID.sub(lambda found: self._shown_id(found[0]), text).strip("\n")
        earlier = self._parts.pop().removesuffix("```") if joined else "```console\n"
        self._parts.append(f"{earlier}{text}\n```")

    def _shown_id(self, found: str) -> str:
        """The same for each run: the first id that occurs has ones, the second has twos, and so on."""
        return self._ids.setdefault(found, f"{len(self._ids) + 1:x}" * len(found))


def difference(document: Path, told: str) -> str:
    """The first lines in which the document and what was told now differ; empty if they do not."""
    written = document.read_text().splitlines()
    for number, (old, new) in enumerate(zip(written, told.splitlines(), strict=False), 1):
        if old != new:
            return f"{document.name}:{number}\n  written: {old}\n  now:     {new}"
    return "" if len(written) == len(told.splitlines()) else f"{document.name} ends elsewhere"

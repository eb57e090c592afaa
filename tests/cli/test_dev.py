"""`raylogue dev`: one edits one's agents while the service runs; a mistake leaves the earlier code running."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.local.record import find_running
from tests.cli.conftest import RAYLOGUE, STOP_SECONDS, Terminal, clean_environment

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]

PATIENCE_SECONDS = 90.0
SHOP = """\
from agents import Agent, Catalog, ScriptedModel, Step
from words import WORD

def catalog(settings):
    return Catalog([Agent(name="till", model=ScriptedModel(lambda request: Step(WORD)))])
"""


class Dev:
    """A `raylogue dev` in the folder of the agents."""

    def __init__(self, terminal: Terminal, folder: Path) -> None:
        self.terminal = terminal
        self.folder = folder
        self._log = folder / "dev.log"
        self._read = 0
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                [RAYLOGUE, "dev", "shop:catalog", "--port", "0"],
                cwd=folder,
                env=clean_environment(RAYLOGUE_DATA_DIR=str(terminal.data_dir), RAYLOGUE_DASHBOARD="false"),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def next_line(self, *marks: str) -> str:
        """The next line that has one of these marks."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            lines = self._log.read_text().splitlines()
            for number, line in enumerate(lines[self._read :], self._read + 1):
                if any(mark in line for mark in marks):
                    self._read = number
                    return line
            assert self.process.poll() is None, self._log.read_text()
            time.sleep(0.05)
        raise AssertionError(self._log.read_text())

    def ask(self, conversation_id: str | None = None) -> tuple[str, str]:
        """Say something; the conversation and the answer."""
        options = ("-c", conversation_id) if conversation_id else ()
        told = self.terminal.run("send", "hello", "--json", *options)
        assert told.returncode == 0, told.stderr
        lines = [json.loads(line) for line in told.stdout.splitlines()]
        answers = [line["content"][0]["text"] for line in lines if line.get("type") == "assistant_msg"]
        return conversation_id or lines[0]["conversation_id"], answers[-1]


@pytest.fixture
def dev(terminal: Terminal, tmp_path: Path) -> Iterator[Dev]:
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "words.py").write_text('WORD = "one"\n')
    running = Dev(terminal, tmp_path)
    try:
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.process.pid, signal.SIGTERM)
        running.process.wait(STOP_SECONDS)


def test_agents_are_reloaded_when_their_files_change(dev: Dev) -> None:
    assert dev.next_line("Watching") == "  Watching shop.py, words.py"
    conversation_id, answer = dev.ask()
    assert answer == "one"

    (dev.folder / "words.py").write_text('WORD = "two"\nimport numbpy\n')
    assert dev.next_line("✗", "Reloaded") == (
        "✗ RAYLOGUE_AGENTS=shop:catalog: ModuleNotFoundError: No module named 'numbpy' (words.py:2); "
        "the earlier code keeps running"
    )
    assert dev.ask(conversation_id)[1] == "one"

    (dev.folder / "words.py").write_text('WORD = "two"\n')
    assert dev.next_line("✗", "Reloaded").startswith("✓ Reloaded: till ")
    assert dev.ask(conversation_id)[1] == "two"
    assert dev.ask()[1] == "two"

    # Of the same size and, as a rule, of the same second.
    (dev.folder / "words.py").write_text('WORD = "six"\n')
    assert dev.next_line("✗", "Reloaded").startswith("✓ Reloaded: till ")
    assert dev.ask(conversation_id)[1] == "six"

    os.killpg(dev.process.pid, signal.SIGINT)
    assert dev.process.wait(STOP_SECONDS) == 0
    assert find_running(dev.terminal.data_dir) is None


def test_without_agents_there_is_nothing_to_watch(terminal: Terminal) -> None:
    refused = terminal.run("dev")
    assert refused.returncode == 1
    assert refused.stderr == (
        "raylogue: name your agents: `raylogue dev shop:catalog` for the function catalog of shop.py\n"
    )

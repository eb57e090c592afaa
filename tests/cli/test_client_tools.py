"""Client tools of the terminal: a module of one's own executes what the agent asks for, connected all the while."""

from pathlib import Path

import pytest

from tests.cli.conftest import Terminal, Up

TOOLS = """
import time

def get_location(purpose):
    time.sleep(5)  # longer than a call waits for a client that has gone
    return {"latitude": 59.9139, "longitude": 10.7522}

def pick_file(purpose):
    raise OSError("the disk is away")

CLIENT_TOOLS = {"get_location": get_location, "pick_file": pick_file}
"""
DONE = "You are at 59.9139, 10.7522."


@pytest.fixture
def module(tmp_path: Path) -> str:
    path = tmp_path / "device.py"
    path.write_text(TOOLS)
    return str(path)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(400)
class TestWithAService:
    @pytest.fixture
    def terminal(self, up: Up) -> Terminal:
        return up.terminal

    def test_send_runs_what_the_agent_asks_for(self, terminal: Terminal, module: str) -> None:
        done = terminal.run("send", "where am I?", "--client-tools", module)
        assert (done.returncode, DONE in done.stdout) == (0, True), done.stderr

    def test_send_prints_the_events_of_the_whole_turn(self, terminal: Terminal, module: str) -> None:
        done = terminal.run("send", "where am I?", "--json", "--client-tools", module)
        assert done.returncode == 0, done.stderr
        assert '"status": "ok"' in done.stdout
        assert '"type": "turn_ended"' in done.stdout

    def test_chat_runs_them_and_tells_the_agent_what_failed(self, terminal: Terminal, module: str) -> None:
        said = "where am I?\nread a file\n"
        done = terminal.run("chat", "--client-tools", module, stdin=said)
        assert DONE in done.stdout
        assert "The client did not execute it: OSError: the disk is away" in done.stdout
        assert "waits for another client" not in done.stdout

    def test_without_them_the_call_fails_and_the_chat_says_once_that_it_waits(self, terminal: Terminal) -> None:
        done = terminal.run("chat", stdin="where am I?\n")
        assert done.stdout.count("The turn waits for another client") == 1
        assert "No client is connected that could execute this." in done.stdout


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x = 1", "AttributeError: module 'device' has no attribute 'CLIENT_TOOLS'"),
        ("CLIENT_TOOLS = {'a': 1}", "CLIENT_TOOLS must be a dict of functions by name"),
        ("CLIENT_TOOLS = {", "SyntaxError: '{' was never closed (device.py, line 1)"),
    ],
)
def test_a_module_that_is_none(terminal: Terminal, tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "device.py"
    path.write_text(text)
    failed = terminal.run("chat", "--client-tools", str(path), "--url", "http://127.0.0.1:1")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == f"raylogue: --client-tools {path}: {why}\n"

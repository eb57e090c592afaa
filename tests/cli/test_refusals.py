"""A command that cannot work fails at once: one line with the reason and the way out, and exit code 1."""

import socket
from pathlib import Path

import pytest

from deployments.local.errors import CannotStart
from deployments.local.storage import wait_for_redis, without_password
from deployments.settings import Settings
from tests.cli.conftest import Terminal


def one_line(terminal: Terminal, *arguments: str, **variables: str) -> str:
    """The only line of a command, which must have failed."""
    failed = terminal.run(*arguments, **variables)
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert failed.stderr.count("\n") == 1
    return failed.stderr.removeprefix("raylogue: ").rstrip("\n")


def test_a_taken_port(terminal: Terminal) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert one_line(terminal, "up", "--port", str(port)) == (
            f"port {port} is taken by another program: stop it, or choose another port with "
            f"`raylogue up --port {port + 1}` or RAYLOGUE_PORT"
        )


def test_a_public_address(terminal: Terminal) -> None:
    expected = "RAYLOGUE_HOST: 0.0.0.0 is a public address, and RAYLOGUE_AUTH is off: use 127.0.0.1, or set it to keys"
    assert one_line(terminal, "up", "--host", "0.0.0.0") == expected
    assert one_line(terminal, "up", RAYLOGUE_HOST="0.0.0.0") == expected


def test_a_redis_url_with_an_unknown_scheme(terminal: Terminal) -> None:
    line = one_line(terminal, "up", RAYLOGUE_REDIS_URL="http://127.0.0.1:6379")
    assert line == "RAYLOGUE_REDIS_URL: the scheme must be redis://, rediss://, unix:// or sentinel://"


def test_an_archive_address_that_cannot_be_used(terminal: Terminal) -> None:
    line = one_line(terminal, "up", RAYLOGUE_ARCHIVE_URL="nonsense://bucket")
    assert line.startswith("the archive nonsense://bucket cannot be used: Protocol not known: nonsense")
    assert one_line(terminal, "up", RAYLOGUE_ARCHIVE_URL="memory://x") == (
        "RAYLOGUE_ARCHIVE_URL: memory:// is lost with the process: name a directory, or object storage"
    )


def test_a_port_that_is_no_number(terminal: Terminal) -> None:
    assert one_line(terminal, "up", RAYLOGUE_PORT="eight").startswith("RAYLOGUE_PORT: Input should be a valid integer")


def test_no_service_to_talk_to(terminal: Terminal) -> None:
    assert one_line(terminal, "send", "hello", "--url", "http://127.0.0.1:1") == (
        "nothing answers at http://127.0.0.1:1: start it with `raylogue up`, or name it with --url"
    )


def test_down_and_status_without_a_service(terminal: Terminal) -> None:
    assert terminal.run("down").returncode == 0
    stopped = terminal.run("status")
    assert stopped.returncode == 3
    assert stopped.stdout == "Raylogue is not running: start it with `raylogue up`\n"


def test_help_lists_a_command_under_its_name_alone(terminal: Terminal) -> None:
    listed = terminal.run("--help").stdout
    assert " abort " in listed
    assert "│ release" not in listed


def test_arguments_that_are_no_json_object(terminal: Terminal) -> None:
    assert one_line(terminal, "approve", "c", "t", "--arguments", "[1]") == "--arguments must be a JSON object"


def test_words_that_look_like_markup(terminal: Terminal) -> None:
    expected = "RAYLOGUE_AGENTS: it is module:function, such as shop.agents:catalog, not '[/red][bold]'"
    assert one_line(terminal, "status", RAYLOGUE_AGENTS="[/red][bold]") == expected


def test_redis_that_stays_away_is_waited_for_and_named_without_its_password() -> None:
    remarks: list[str] = []
    settings = Settings(redis_url="redis://:secret@127.0.0.1:1/0")
    with pytest.raises(CannotStart) as refusal:
        wait_for_redis(settings, remarks.append, patience=3.0)
    assert remarks
    assert all(remark.endswith("; trying again") for remark in remarks)
    text = str(refusal.value)
    assert text.startswith("Redis at redis://:***@127.0.0.1:1/0 did not answer in 3 s (")
    assert text.endswith("correct RAYLOGUE_REDIS_URL, or unset it to use the embedded Valkey")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("rediss://me:secret@redis.example:6380/2", "rediss://me:***@redis.example:6380/2"),
        ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock?db=1"),
    ],
)
def test_passwords_are_never_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_doctor_names_what_is_wrong_and_the_way_out(terminal: Terminal) -> None:
    failed = terminal.run("doctor", RAYLOGUE_REDIS_URL="redis://127.0.0.1:1/0", ANTHROPIC_API_KEY="k")
    assert failed.returncode == 1
    assert "✗ Redis at redis://127.0.0.1:1/0: " in failed.stdout
    assert "start it or correct RAYLOGUE_REDIS_URL" in failed.stdout


def test_doctor_finds_nothing_wrong_on_this_machine(terminal: Terminal) -> None:
    done = terminal.run("doctor", RAYLOGUE_PORT="0")
    assert done.returncode == 0, done.stdout
    assert "✓ Valkey 8.1" in done.stdout
    assert "· Offline: set ANTHROPIC_API_KEY" in done.stdout


def test_a_data_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    failed = Terminal(tmp_path / "data" / "below").run("doctor")
    assert failed.returncode == 1
    assert "cannot be written: set RAYLOGUE_DATA_DIR to another place" in failed.stdout

"""`raylogue up` runs everything on this machine, reachable from it alone, once, and leaves only the data behind."""

import ipaddress
import json

import psutil
import pytest

from deployments.local.processes import is_running
from tests.cli.conftest import Terminal, Up

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(400)]


def test_it_prints_where_the_page_and_the_dashboard_are(up: Up) -> None:
    output = up.terminal.output("up")
    assert f"Page       {up.record.url}\n" in output
    assert f"Dashboard  {up.record.dashboard}\n" in output
    for step in ("Valkey, embedded", "Ray", "Application"):
        assert f"✓ {step} " in output


def test_status_shows_it(up: Up) -> None:
    shown = up.terminal.run("status")
    assert shown.returncode == 0
    assert "ready, version 0.1.0, offline" in shown.stdout
    assert json.loads(up.terminal.run("status", "--json").stdout) == up.record.model_dump()


def test_nothing_listens_on_a_public_address(up: Up) -> None:
    listening = {
        (process.name(), connection.laddr.ip)
        for process in up.processes()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {name for name, _ in listening} >= {"haproxy", "gcs_server", "raylet"}
    assert "valkey-server" not in {name for name, _ in listening}, "it has a socket of its own"
    assert [(name, ip) for name, ip in listening if not _is_loopback(ip)] == []


def test_a_second_service_is_refused_in_one_line(up: Up) -> None:
    refused = up.terminal.run("up")
    assert refused.returncode == 1
    assert refused.stderr == (
        f"raylogue: Raylogue runs already at {up.record.url} (process {up.record.pid}): "
        "use it, or `raylogue down` first\n"
    )


def test_doctor_finds_that_it_runs(up: Up) -> None:
    assert f"Raylogue runs at {up.record.url}" in up.terminal.run("doctor").stdout


def test_down_leaves_no_process_and_the_next_run_finds_the_conversation(up: Up) -> None:
    told = up.terminal.run("send", "what is 6*7?", "--json")
    conversation = json.loads(told.stdout.splitlines()[0])["conversation_id"]
    before = _shown_by_chat(up.terminal, conversation)
    processes = up.processes()

    assert up.terminal.run("down").returncode == 0
    assert [process for process in processes if is_running(process)] == []
    assert up.terminal.run("status").returncode == 3
    assert up.process is not None
    assert up.process.wait(5) == 0

    up.start()
    assert _shown_by_chat(up.terminal, conversation) == before
    again = up.terminal.run("send", "and 6*8?", "-c", conversation)
    assert again.returncode == 0
    assert "48" in again.stdout


def _shown_by_chat(terminal: Terminal, conversation: str) -> list[str]:
    """The lines that `chat` shows of the conversation when it is opened again."""
    shown = terminal.run("chat", conversation)
    assert shown.returncode == 0, shown.stderr
    return shown.stdout.splitlines()


def _is_loopback(ip: str) -> bool:
    address = ipaddress.ip_address(ip)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback

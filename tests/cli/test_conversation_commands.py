"""The commands of a conversation with a running service: send, chat, tail, approve, cancel, abort."""

import asyncio
import json
import re
import signal
import time

import httpx
import pytest

from tests.cli.conftest import Terminal, Up
from tests.servers.proxy import Proxy
from tests.support.api import eventually

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture
def terminal(up: Up) -> Terminal:
    """Runs commands for the service that runs."""
    return up.terminal


def test_send_prints_the_answer_alone_on_standard_output(terminal: Terminal) -> None:
    done = terminal.run("send", "what is 17*23?")
    assert done.returncode == 0
    assert "`17*23` is **391**" in done.stdout
    assert "expression: 17*23" in done.stderr
    assert "Conversation " in done.stderr


async def test_send_shows_the_whole_answer_although_its_connection_breaks(terminal: Terminal, up: Up) -> None:
    async with Proxy(httpx.URL(up.record.url).port or 0) as proxy, httpx.AsyncClient(base_url=up.record.url) as http:
        url = proxy.url.replace("redis://", "http://").removesuffix("/0")
        proxy.lose_answer_to(b"/messages")
        done = await asyncio.to_thread(terminal.run, "send", "what is 17*23?", "--url", url)
        assert proxy.lost_answers == 1
        assert (done.returncode, "391" in done.stdout) == (0, True), done.stderr

        sending = asyncio.create_task(asyncio.to_thread(terminal.run, "send", "Tell me a story", "--url", url))

        async def streams() -> bool:
            newest = (await http.get("/v1/conversations", params={"limit": 1})).json()["conversations"][0]
            return bool(newest["last_seq"] == 1)

        await eventually(streams)
        proxy.cut()
        done = await sending
    assert (done.returncode, "every word in place." in done.stdout) == (0, True), done.stderr


def test_send_reads_standard_input(terminal: Terminal) -> None:
    done = terminal.run("send", "-", stdin="what is 17*24?")
    assert "408" in done.stdout


def test_a_refusal_is_one_line(terminal: Terminal) -> None:
    for arguments, line in [
        (("send", " "), "raylogue: Say something, or attach something. (empty_message)\n"),
        (("send", "hello", "-c", "nowhere"), "raylogue: There is no conversation 'nowhere'. (unknown_conversation)\n"),
        (("send", "hello", "--agent", "nobody"), "raylogue: No agent is named 'nobody'. (unknown_agent)\n"),
    ]:
        refused = terminal.run(*arguments)
        assert (refused.returncode, refused.stderr) == (1, line)


def test_approve_lets_a_waiting_call_run(terminal: Terminal) -> None:
    conversation, call = _start_waiting_turn(terminal)
    assert terminal.run("approve", conversation, call).stdout == "Approved\n"
    assert "announced" in _tail_until(terminal, conversation, "turn_ended")[-3]["content"]
    assert terminal.run("approve", conversation, call).stdout == "Approved\n", "again is the same"
    late = terminal.run("approve", conversation, call, "--reject")
    assert late.returncode == 1
    assert late.stderr.endswith("(stale_resolution)\n")


def test_approve_with_other_arguments(terminal: Terminal) -> None:
    conversation, call = _start_waiting_turn(terminal)
    terminal.run("approve", conversation, call, "--arguments", '{"text": "something else"}')
    assert "something else" in _tail_until(terminal, conversation, "turn_ended")[-3]["content"]


def test_reject_with_a_reason(terminal: Terminal) -> None:
    conversation, call = _start_waiting_turn(terminal)
    assert terminal.run("approve", conversation, call, "--reject", "--reason", "too early").stdout == "Rejected\n"
    result = _tail_until(terminal, conversation, "turn_ended")[-3]
    assert result["status"] == "denied"
    assert "too early" in result["content"]


def test_drop_leaves_a_turn_out_and_takes_it_in_again(terminal: Terminal) -> None:
    done = terminal.run("send", "hello")
    conversation = re.search(r"Conversation (\S+)", done.stderr)
    assert conversation is not None
    assert terminal.run("drop", conversation[1], "1").stdout == "Turn 1 is left out\n"
    assert terminal.run("drop", conversation[1], "1", "--restore").stdout == "Turn 1 is shown to the model again\n"
    refused = terminal.run("drop", conversation[1], "9")
    assert (refused.returncode, refused.stderr) == (1, "raylogue: There is no turn 9. (unknown_turn)\n")


def test_cancel_ends_a_waiting_turn(terminal: Terminal) -> None:
    conversation, _ = _start_waiting_turn(terminal)
    assert terminal.run("cancel", conversation).stdout == "Cancelled\n"
    assert _tail_until(terminal, conversation, "turn_ended")[-1]["outcome"] == "cancelled"
    assert terminal.run("cancel", conversation).stderr.endswith("(not_running)\n")


@pytest.mark.parametrize("command", ["abort", "release"], ids=["abort", "its former name"])
def test_abort_ends_a_turn_as_failed(terminal: Terminal, command: str) -> None:
    conversation, _ = _start_waiting_turn(terminal)
    assert terminal.run(command, conversation).stdout == "Released: turn 1 has failed\n"
    ended = _tail_until(terminal, conversation, "turn_ended")[-1]
    assert (ended["outcome"], ended["reason"]) == ("failed", "released")
    assert terminal.run(command, conversation).stderr.endswith("(not_running)\n")


def test_chat_asks_for_approval_and_shows_the_tools(terminal: Terminal) -> None:
    done = terminal.run("chat", stdin="please announce hi\nn\nnot now\nplease announce ho\ny\n")
    assert done.returncode == 0
    shown = done.stdout
    assert shown.index("text: hi") < shown.index("denied") < shown.index("text: ho") < shown.index('{"announced":"ho"}')
    assert "not now" in shown


def test_chat_goes_on_with_a_conversation_that_waits(terminal: Terminal) -> None:
    conversation, _ = _start_waiting_turn(terminal)
    done = terminal.run("chat", conversation, stdin="y\n")
    assert "> please announce good news" in done.stdout
    assert '{"announced":"good news"}' in done.stdout


def test_approve_without_a_call_shows_what_waits_and_asks(terminal: Terminal) -> None:
    conversation, call = _start_waiting_turn(terminal)
    done = terminal.run("approve", conversation, stdin="n\ntoo early\n")
    assert done.returncode == 0
    assert f"announce · {call}" in done.stdout
    assert "text: good news" in done.stdout
    assert "takes: approve, edit, reject, respond" in done.stdout
    assert done.stdout.endswith("Rejected\n")
    assert _tail_until(terminal, conversation, "turn_ended")[-3]["status"] == "denied"
    assert terminal.run("approve", conversation).stdout == "Nothing waits.\n"


def test_chat_answers_forms_and_offers_what_is_allowed(terminal: Terminal) -> None:
    done = terminal.run("chat", "--agent", "operator", "--on-busy", "queue", stdin="restart it\n2\ny\n")
    assert done.returncode == 0
    shown = done.stdout
    assert "Which service do you mean?\n  1) api – what customers talk to\n  2) worker" in shown
    assert "Run restart_service? [y]es, [n]o: " in shown
    assert "Done: restarted worker, approved_by local." in shown


def test_a_decision_that_is_not_allowed_is_one_line(terminal: Terminal) -> None:
    sent = terminal.run("send", "restart the api", "--agent", "operator")
    conversation, call = sent.stderr.rstrip().rpartition("raylogue approve ")[2].split()
    refused = terminal.run("approve", conversation, call, "--arguments", "{}")
    assert (refused.returncode, refused.stderr) == (1, "raylogue: this call takes approve or reject, not edit\n")
    assert terminal.run("cancel", conversation).returncode == 0


def test_the_researcher_plans_delegates_and_leaves_a_file(terminal: Terminal) -> None:
    done = terminal.run("send", "research the history of tea", "--agent", "researcher")
    assert done.returncode == 0, done.stderr
    assert "The report is in `reports/the-history-of-tea.md`." in done.stdout
    assert "☑ Write the report on the history of tea" in done.stderr
    conversation = re.findall(r"Conversation (\w+)", done.stderr)[-1]
    listed = terminal.run("files", conversation)
    assert "reports/the-history-of-tea.md" in listed.stdout
    printed = terminal.run("files", conversation, "reports/the-history-of-tea.md")
    assert printed.stdout.startswith("# The history of tea\n\n## The background\n")
    missing = terminal.run("files", conversation, "nothing.md")
    assert (missing.returncode, missing.stderr) == (1, "raylogue: There is no file 'nothing.md'. (unknown_file)\n")


def test_the_operators_remote_tool_runs_on_the_cluster(terminal: Terminal) -> None:
    done = terminal.run("send", "analyse the logs of the worker", "--agent", "operator")
    assert done.returncode == 0, done.stderr
    assert "In the last 100000 lines of the worker's log:" in done.stdout
    assert "connection reset by peer: 101" in done.stdout


def test_the_extractor_answers_with_an_object(terminal: Terminal) -> None:
    done = terminal.run("send", "Ada Lovelace, ada@engines.example", "--agent", "extractor")
    assert (done.returncode, list(json.loads(done.stdout))) == (0, ["contacts"]), "one object, and nothing beside it"
    assert json.loads(done.stdout)["contacts"][0]["name"] == "Ada Lovelace"


def test_a_model_that_the_agent_does_not_have(terminal: Terminal, up: Up) -> None:
    def conversations() -> list[str]:
        listed = httpx.get(f"{up.record.url}/v1/conversations").json()["conversations"]
        return [found["id"] for found in listed]

    before = conversations()
    refused = terminal.run("send", "hello", "--model", "clever")
    assert refused.returncode == 1
    assert refused.stderr.endswith("(unknown_model)\n")
    assert conversations() == before, "nothing is left of it"


def _start_waiting_turn(terminal: Terminal) -> tuple[str, str]:
    """Begin a conversation in which a call waits for approval; its id, and that of the call."""
    sent = terminal.run("send", "please announce good news")
    assert sent.returncode == 2
    conversation, call = sent.stderr.rstrip().rpartition("raylogue approve ")[2].split()
    return conversation, call


def _tail_until(terminal: Terminal, conversation: str, kind: str) -> list[dict[str, object]]:
    """What `tail --json` prints of the log until an event of this type; Ctrl-C then ends it without an error."""
    tail = terminal.start("tail", conversation, "--json")
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            events = [json.loads(line) for line in terminal.output("tail").splitlines() if line.endswith("}")]
            logged = [event for event in events if "seq" in event and event["type"] != "state_patch"]
            if logged and logged[-1]["type"] == kind:
                break
            time.sleep(0.1)
    finally:
        tail.send_signal(signal.SIGINT)
    assert tail.wait(30) == 0
    return logged

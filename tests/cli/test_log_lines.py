"""The lines about a conversation: found in the files of all sessions, in the order of time, and readable."""

import json
import subprocess
import sys
from pathlib import Path

from agents.middleware.sub_agent.sub_agent_call import child_id
from deployments.cli.log_lines import ID_PREFIX_CHARACTERS, About, SessionFiles, merge, newest, render, select_lines
from tests.servers.process import free_port


def line(second: int, event: str, **fields: object) -> str:
    return json.dumps({**fields, "event": event, "level": "info", "timestamp": f"2026-01-01T00:00:0{second}Z"}) + "\n"


def session(sessions: Path, name: str) -> Path:
    """The directory of the logs of a Ray session."""
    logs = sessions / f"session_{name}" / "logs"
    (logs / "serve").mkdir(parents=True)
    return logs


def events(lines: list[str], conversation_id: str = "c", turn: int | None = None) -> list[str]:
    return [str(found.fields["event"]) for found in select_lines(lines, About(conversation_id, turn))]


def test_lines_of_all_sessions_are_joined_by_their_time(tmp_path: Path) -> None:
    first, second = session(tmp_path, "1"), session(tmp_path, "2")
    (tmp_path / "session_latest").symlink_to(second.parent)
    (second / "worker-b-02000000-1.err").write_text(line(3, "third", conversation_id="c", turn=2))
    (first / "worker-a-01000000-1.err").write_text(
        line(2, "second", conversation_id="c", turn=1) + line(1, "other", conversation_id="d") + "not ours: c\n"
    )
    in_front = "INFO 2026-01-01 00:00:01,000 raylogue_ingress x -- "
    (first / "serve" / "replica_raylogue_ingress_x.log").write_text(in_front + line(1, "first", conversation_id="c"))
    lines = list(SessionFiles(tmp_path).read())
    assert events(lines) == ["first", "second", "third"]
    assert events(lines, turn=2) == ["third"]
    assert events(lines, "d") == ["other"]


def test_a_file_is_read_on_where_it_ended_also_under_another_name(tmp_path: Path) -> None:
    logs, files = session(tmp_path, "1"), SessionFiles(tmp_path)
    written = logs / "worker-a-01000000-1.err"
    whole = line(2, "second", conversation_id="c")
    written.write_text(line(1, "first", conversation_id="c") + whole[:20])
    assert events(list(files.read())) == ["first"], "a line that is being written is left for later"
    with written.open("a") as opened:
        opened.write(whole[20:])
    written.rename(logs / "worker-a-01000000-1.err.1")
    written.write_text(line(3, "third", conversation_id="c"))
    assert events(list(files.read())) == ["second", "third"]
    assert list(files.read()) == []


def test_lines_of_several_nodes_are_joined_by_their_time_and_have_their_node() -> None:
    one = select_lines([line(1, "first", conversation_id="c"), line(3, "third", conversation_id="c")], About("c"))
    other = select_lines([line(2, "second", conversation_id="c")], About("c"))
    assert [render(found) for found in merge({"192.0.2.11": one, "192.0.2.12": other, "192.0.2.13": []})] == [
        "192.0.2.11 2026-01-01T00:00:01Z info first",
        "192.0.2.12 2026-01-01T00:00:02Z info second",
        "192.0.2.11 2026-01-01T00:00:03Z info third",
    ]
    assert [render(found) for found in merge({"192.0.2.12": other})] == ["2026-01-01T00:00:02Z info second"]


def test_of_too_many_lines_the_newest_are_kept() -> None:
    found = select_lines([line(second, "some", conversation_id="c") for second in range(5)], About("c"))
    size = len(json.dumps(found[0].fields))
    assert newest(found, 5 * size) == found
    assert newest(found, 3 * size - 1) == found[3:]
    assert newest(found, size - 1) == []


def test_another_reader_goes_on_where_one_has_ended(tmp_path: Path) -> None:
    written, first = session(tmp_path, "1") / "worker-a-01000000-1.err", SessionFiles(tmp_path)
    written.write_text(line(1, "first", conversation_id="c"))
    assert events(list(first.read())) == ["first"]
    with written.open("a") as opened:
        opened.write(line(2, "second", conversation_id="c"))
    assert events(list(SessionFiles(tmp_path, first.positions).read())) == ["second"]


def test_the_files_here_are_read_when_the_cluster_does_not_answer(tmp_path: Path) -> None:
    cluster = f"127.0.0.1:{free_port()}"
    (session(tmp_path / "ray", "1") / "worker-a-01000000-1.err").write_text(line(1, "first", conversation_id="c"))
    (tmp_path / "ray" / "ray_current_cluster").write_text(cluster)
    environment = {"TMPDIR": str(tmp_path), "RAYLOGUE_DATA_DIR": str(tmp_path)}
    command = [Path(sys.executable).with_name("raylogue"), "logs", "c"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "2026-01-01T00:00:01Z info first\n"
    assert done.stderr == f"raylogue: the cluster at {cluster} does not answer: this is from one machine alone\n"


RAISING = """
from structlog import get_logger
from deployments.process.logging import configure_logging
configure_logging()
try:
    try:
        raise ExceptionGroup("two", [ValueError("one \\x1b[31m"), KeyError("b")])
    except ExceptionGroup:
        1 / 0
except ZeroDivisionError as error:
    error.add_note("a note")
    get_logger("agents.x").exception("failed", conversation_id="c", words="two words", tool="t")
"""


def test_a_traceback_is_written_as_python_writes_it(tmp_path: Path) -> None:
    script = tmp_path / "raising.py"
    script.write_text(RAISING)
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=True)
    [found] = select_lines(done.stderr.splitlines(), About("c"))
    head, *rest = render(found).splitlines()
    assert head.endswith('Z error failed words="two words" tool=t')
    assert rest == [
        "Traceback (most recent call last):",
        f'  File "{script}", line 7, in <module>',
        "ExceptionGroup: two (2 sub-exceptions)",
        "  1:",
        "  Traceback (most recent call last):",
        "  ValueError: one [31m",
        "  2:",
        "  Traceback (most recent call last):",
        "  KeyError: 'b'",
        "",
        "During handling of the above exception, another exception occurred:",
        "",
        "Traceback (most recent call last):",
        f'  File "{script}", line 9, in <module>',
        "ZeroDivisionError: division by zero",
        "a note",
    ]


def test_lines_of_sub_agents_are_found_when_asked_for() -> None:
    long = "x" * 100
    lines = [
        line(1, "own", conversation_id="c"),
        line(2, "of_a_sub_agent", conversation_id="c.call_1"),
        line(3, "of_its_own", conversation_id="c.call_1.call_2"),
        line(4, "another", conversation_id="cc.call_1"),
        line(5, "of_a_long_name", conversation_id=f"{long[:87]}.{'a' * 40}"),
    ]
    assert [found.fields["event"] for found in select_lines(lines, About("c"))] == ["own"]
    found = select_lines(lines, About("c", sub_agents=True))
    assert [one.fields["event"] for one in found] == ["own", "of_a_sub_agent", "of_its_own"]
    assert "sub_agent=c.call_1" in render(found[1])
    assert [one.fields["event"] for one in select_lines(lines, About(long, sub_agents=True))] == ["of_a_long_name"]
    assert child_id(long, "call_" + "1" * 40).startswith(f"{long[:ID_PREFIX_CHARACTERS]}.")

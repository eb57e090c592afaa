"""What `raylogue top` shows of an overview: the figures, what is wrong, and no more lines than there are."""

import io
from typing import Any

import pytest
from rich.console import Console

from deployments.cli.commands.top import _bars, picture


def node(number: int, **changes: Any) -> dict[str, Any]:
    known = {
        "id": f"{number:012x}" + "0" * 44,
        "address": f"10.0.0.{number}",
        "head": number == 0,
        "draining": False,
        "cores": 8.0,
        "processor": 0.25,
        "memory_used": 40,
        "memory_size": 100,
        "actors": 9,
        "hosts": 1,
        "dedicated": 2,
        "conversations": 30,
    }
    return {**known, **changes}


def host(number: int, **changes: Any) -> dict[str, Any]:
    known = {
        "name": f"host:abc:1:{number}",
        "node": f"{number:012x}" + "0" * 44,
        "answers": True,
        "code_version": 1,
        "memory": 120 * 1024**2,
        "conversations": number,
        "working": 1,
    }
    return {**known, **changes}


def overview(**changes: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "at": 1_700_000_000_000,
        "seconds": 60.0,
        "nodes": [node(0)],
        "hosts": [host(3)],
        "dedicated": {"live": 2, "not_asked": 0, "silent": 0, "conversations": 2, "working": 0, "memory": 5},
        "conversations": {"live": 32, "working": 4, "hibernating": 5, "states": {"idle": 28, "streaming": 4}},
        "turns": {
            "per_second": 1.5,
            "outcomes": {"completed": 80, "failed": 7, "cancelled": 3},
            "first_token_ms": {"count": 90, "p50": 420.4, "p99": 2600.0},
            "turn_ms": {"count": 0, "p50": None, "p99": None},
            "quantile_error": 0.0443,
        },
        "usage": {"tokens": 12345, "cost": 678900},
        "series": {"outcomes": {"completed": [0, 1, 8], "failed": [0, 0, 0], "cancelled": [0, 1, 0]}},
    }
    return {**known, **changes}


def printed(seen: dict[str, Any], height: int | None = None, trouble: str = "", width: int = 140) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(picture(seen, height, trouble))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_all_figures_are_shown() -> None:
    shown = printed(overview())
    for words in (
        "Rates are of the last 60 s",
        "1.50/s  ▁▃█  80 completed, 7 failed, 3 cancelled",
        "p50 420 ms, p99 2.6 s  (±4.4%)",
        "Turn           nothing measured",
        "12,345 tokens, $0.6789",
        "32 live, 4 working: 28 idle, 4 streaming; 5 hibernate; 2 dedicated actors",
        "000000000000 head",
        "10.0.0.0",
        "25% of 8",
        "40%",
        "host:abc:1:3",
        "120 MB",
    ):
        assert words in shown


def test_what_is_wrong_or_not_known_is_said() -> None:
    dedicated = {**overview()["dedicated"], "silent": 1}
    unknown = node(1, processor=None, memory_used=None, memory_size=None, draining=True)
    silent = host(1, answers=False, code_version=None, memory=None, conversations=None, working=None)
    older = host(2, code_version=None, memory=None, conversations=None, working=None)
    seen = overview(nodes=[unknown], hosts=[host(9), older, silent], dedicated=dedicated)
    shown = printed(seen, trouble="\x1b[2Jaway")
    assert "[2Jaway; trying again" in shown
    assert "\x1b" not in shown
    assert "2 dedicated actors, 1 of them silent" in shown
    assert "000000000001 draining" in shown
    lines = shown.splitlines()
    assert "?" in next(line for line in lines if "draining" in line)
    rows = [line.split()[0] for line in lines if line.startswith("host:")]
    assert rows == ["host:abc:1:1", "host:abc:1:9", "host:abc:1:2"]  # what does not answer comes first
    assert "does not answer" in shown
    assert "has older code" in shown


@pytest.mark.parametrize("height", [24, 40, 100])
@pytest.mark.parametrize(("nodes", "hosts"), [(1, 50), (50, 1), (30, 60), (0, 0)])
def test_it_has_no_more_lines_than_the_terminal(height: int, nodes: int, hosts: int) -> None:
    seen = overview(nodes=[node(number) for number in range(nodes)], hosts=[host(number) for number in range(hosts)])
    shown = printed(seen, height, width=80)
    assert len(shown.splitlines()) <= height
    if nodes + hosts > height:
        assert "more hosts" in shown or "more nodes" in shown


def test_where_there_is_little_room_no_figure_is_cut() -> None:
    far = node(0, address="2001:db8:85a3:8d3:1319:8a2e:370:7348", conversations=12345, dedicated=678)
    lines = printed(overview(nodes=[far]), width=80).splitlines()
    row = next(line for line in lines if line.startswith("000000000000 head"))
    assert row.split()[-5:] == ["40%", "9", "1", "678", "12345"]
    assert "25% of 8" in row


def test_a_line_of_bars() -> None:
    assert _bars([]) == ""
    assert _bars([0, 0]) == "▁▁"
    assert _bars([0, 7, 14]) == "▁▅█"
    assert len(_bars([1.0] * 120)) == 40

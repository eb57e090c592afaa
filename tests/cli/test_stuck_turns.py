"""How `raylogue status` says that a turn makes no progress."""

import time
from typing import Any

import pytest

from deployments.cli.commands.status import describe_stuck_turn


@pytest.mark.parametrize(
    ("waits_for", "words"),
    [
        ([{"kind": "model", "name": "claude"}], "the model claude answers nothing"),
        (
            [{"kind": "tool", "name": "a", "tool_call_id": "1"}, {"kind": "tool", "name": "b", "tool_call_id": "2"}],
            "the tool a does not end, the tool b does not end",
        ),
        ([{"kind": "host", "name": "host:f00:0"}], "host:f00:0 answers nobody"),
        ([{"kind": "owner"}], "it lives nowhere"),
    ],
)
def test_a_stuck_turn_is_one_line_with_the_way_out(waits_for: list[dict[str, str]], words: str) -> None:
    turn: dict[str, Any] = {
        "conversation_id": "c",
        "agent": "assistant",
        "progress_at": round((time.time() - 720) * 1000),
        "waits_for": waits_for,
        "place": "host:f00:0",
    }
    assert describe_stuck_turn(turn) == f"c (assistant) for 12 min: {words}; `raylogue abort` frees it"

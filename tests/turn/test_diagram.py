"""The diagram in the docs shows the transition table."""

import re
from pathlib import Path

from agents.turn import TRANSITIONS
from agents.turn.states import draw_diagram

PAGE = Path(__file__).parents[2] / "docs" / "turn.md"


def test_the_docs_show_the_table_as_it_is() -> None:
    pictures = re.findall(r"```mermaid\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert pictures == [draw_diagram()], "paste the output of agents.turn.states.draw_diagram() into docs/turn.md"


def test_the_picture_has_every_transition() -> None:
    lines = draw_diagram().splitlines()
    for state, row in TRANSITIONS.items():
        for signal, targets in row.items():
            for target in targets:
                arrow = f"    {state} --> {target}: "
                [labels] = [line.removeprefix(arrow) for line in lines if line.startswith(arrow)]
                assert signal in labels.split(", ")

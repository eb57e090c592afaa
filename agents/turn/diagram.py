"""Draws the transition table as a Mermaid state diagram, for the docs."""

from agents.turn.states import TRANSITIONS, State


def draw() -> str:
    """The picture as Mermaid source; a test compares it with the copy in the docs."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.IDLE.value}"]
    for state, row in TRANSITIONS.items():
        for target in State:
            signals = [signal.value for signal, targets in row.items() if target in targets]
            if signals:
                lines.append(f"    {state.value} --> {target.value}: {', '.join(signals)}")
    lines.append(f"    {State.TERMINATING.value} --> [*]")
    return "\n".join(lines) + "\n"

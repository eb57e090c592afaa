"""The table of the rules of a chat: for each stage, what may happen and which stages may follow; and its picture."""

from collections.abc import Mapping, Sequence
from typing import Final

from deployments.channels.pipeline.inputs import (
    Answered,
    Arrived,
    Back,
    CallApproved,
    Deleted,
    Edited,
    Failed,
    FlushDue,
    Gone,
    ReadDue,
    Sent,
    Stopped,
    TurnStarted,
)
from deployments.channels.pipeline.state import ChatState

IDLE: Final = "idle"
TABLE: Final[Mapping[str, Mapping[type, Sequence[str]]]] = {
    IDLE: {Arrived: (IDLE, "flush"), Edited: (IDLE,), Deleted: (IDLE,), Gone: (IDLE,), Back: (IDLE,)},
    "flush": {
        Arrived: ("flush",),
        Edited: ("flush",),
        Deleted: ("flush", IDLE),
        FlushDue: ("flush", "read"),
        Stopped: (IDLE,),
        Gone: (IDLE,),
        Failed: (IDLE,),
    },
    "read": {
        Arrived: ("read", "flush"),
        Edited: ("read", "flush"),
        Deleted: ("read", "flush", IDLE),
        ReadDue: ("generate", "read"),
        Stopped: (IDLE, "flush"),
        Gone: (IDLE,),
        Failed: (IDLE, "flush"),
    },
    "generate": {
        Arrived: ("generate", "flush"),
        Edited: ("generate", "flush"),
        Deleted: ("generate", "flush", IDLE),
        TurnStarted: ("generate",),
        CallApproved: ("generate",),
        Answered: ("send", IDLE, "flush"),
        Stopped: (IDLE, "flush"),
        Gone: (IDLE,),
        Failed: (IDLE, "flush"),
    },
    "send": {
        Arrived: ("send", "flush"),
        Edited: ("send",),
        Deleted: ("send",),
        Sent: (IDLE, "flush"),
        Stopped: (IDLE, "flush"),
        Gone: (IDLE,),
        Failed: (IDLE, "flush"),
    },
}
"""What may follow each stage; an input that a stage does not name changes no stage."""


def stage_of(state: ChatState) -> str:
    """The stage of the chain, or idle."""
    return state.chain.stage if state.chain else IDLE


def draw_picture() -> str:
    """The table as a Mermaid state diagram; a test compares it with the picture in docs/channels.md."""
    lines = ["stateDiagram-v2", f"    [*] --> {IDLE}"]
    for stage, row in TABLE.items():
        for target in TABLE:
            names = [_as_words(kind.__name__) for kind, targets in row.items() if target in targets]
            if names:
                lines.append(f"    {stage} --> {target}: {', '.join(names)}")
    return "\n".join(lines) + "\n"


def _as_words(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")

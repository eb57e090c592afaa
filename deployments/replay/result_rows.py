"""The rows of a replay's results: flat, a column for each thing that people filter or plot by."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from agents.replay.replay import Compared
from agents.replay.said import Said
from deployments.batches.columns import ColumnType

SIDE: Final[Mapping[str, ColumnType]] = {
    "text": "string",
    "output": "json",
    "calls": "json",
    "ending": "string",
    "reason": "string",
    "detail": "string",
    "model": "string",
    "stop_reason": "string",
    "input_tokens": "int64",
    "output_tokens": "int64",
    "cost": "int64",
    "ms": "int64",
    "model_calls": "int64",
}
"""The columns of each side, as `old_text` and `new_text`. `cost` is in millionths of a US dollar."""

COLUMNS: Final[Mapping[str, ColumnType]] = {
    "conversation": "string",
    "agent": "string",
    "turn": "int64",
    "step": "int64",
    "question": "string",
    "verdict": "string",
    "similarity": "double",
    "changed_calls": "json",
    **{f"old_{name}": kind for name, kind in SIDE.items()},
    **{f"new_{name}": kind for name, kind in SIDE.items()},
    "judge_old": "double",
    "judge_new": "double",
    "judge_reason": "string",
    "judge_problem": "string",
    "judge_cost": "int64",
    "error": "string",
}
"""`error` says why a conversation could not be replayed: such a row has nothing else but its id."""


def row_of(compared: Compared) -> dict[str, Any]:
    """One row of plain JSON."""
    judged, comparison = compared.judgement, compared.comparison
    return {
        "conversation": compared.conversation,
        "agent": compared.agent,
        "turn": compared.turn,
        "step": compared.step,
        "question": compared.question,
        "verdict": comparison.verdict,
        "similarity": comparison.similarity,
        "changed_calls": [_pair(pair.change, pair.name) for pair in comparison.changed_calls],
        **_side("old", compared.old),
        **_side("new", compared.new),
        "judge_old": None if judged is None else judged.old,
        "judge_new": None if judged is None else judged.new,
        "judge_reason": None if judged is None else judged.reason,
        "judge_problem": None if judged is None else judged.problem,
        "judge_cost": None if judged is None else judged.cost,
        "error": None,
    }


def error_row(conversation_id: str, error: str) -> dict[str, Any]:
    """The row of a conversation that could not be replayed."""
    return {**dict.fromkeys(COLUMNS), "conversation": conversation_id, "error": error}


def encode_rows(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The rows as the store keeps them: JSON Lines, compressed."""
    return zlib.compress(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))


def decode_lines(encoded: bytes) -> bytes:
    """The JSON Lines; empty for no rows."""
    return zlib.decompress(encoded)


def decode_rows(encoded: bytes) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in decode_lines(encoded).splitlines()]


def _pair(change: str, name: str) -> dict[str, str]:
    return {"change": change, "name": name}


def _side(side: str, said: Said) -> dict[str, Any]:
    values = {
        "text": said.text,
        "output": said.output,
        "calls": [
            {"name": call.name, "arguments": dict(call.arguments), "result": call.result, "status": call.status}
            for call in said.calls
        ],
        "ending": said.ending,
        "reason": said.reason,
        "detail": said.detail,
        "model": said.model,
        "stop_reason": said.stop_reason,
        "input_tokens": said.input_tokens,
        "output_tokens": said.output_tokens,
        "cost": said.cost,
        "ms": said.ms,
        "model_calls": said.model_calls,
    }
    return {f"{side}_{name}": value for name, value in values.items()}

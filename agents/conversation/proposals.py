"""Joins a finished answer with the agent's tools: which calls it proposes, and how each would be executed."""

import re
from collections.abc import Container, Sequence
from itertools import chain, count
from typing import Any

from agents.agent import Agent
from agents.models import Completed
from agents.turn.events import Block
from agents.turn.inputs import ModelRef, ProposedCall

_TOOL_CALL_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


def propose(
    answer: Completed, ref: ModelRef, agent: Agent, taken: Container[str], now: int
) -> tuple[Sequence[Block], Sequence[ProposedCall]]:
    """The content as it is logged, with calls by reference, and the calls; `taken` holds the ids in use already."""
    content: list[Block] = []
    calls: list[ProposedCall] = []
    given: set[str] = set()
    for block in answer.content:
        if block["type"] != "tool_use":
            content.append(block)
            continue
        tool_call_id = _name(block["id"], ref, len(calls), (taken, given))
        given.add(tool_call_id)
        calls.append(_join(block, tool_call_id, agent, now))
        content.append({"type": "tool_call", "tool_call_id": tool_call_id})
    return content, calls


def _name(provider_id: str, ref: ModelRef, position: int, taken: Sequence[Container[str]]) -> str:
    """The provider's id, unless this conversation has seen it: not every server makes unique ones."""
    own = (f"call_{ref.turn}_{ref.step}_{ref.attempt}_{number}" for number in count(position))
    candidates = chain([provider_id] if _TOOL_CALL_ID.fullmatch(provider_id) else [], own)
    return next(key for key in candidates if not any(key in seen for seen in taken))


def _join(block: dict[str, Any], tool_call_id: str, agent: Agent, now: int) -> ProposedCall:
    name, arguments = block["name"], block["input"]
    tool = agent.tool(name)
    if tool is None:
        known = ", ".join(tool.name for tool in agent.tools) or "none"
        refusal = f"There is no tool named {name}. Tools: {known}."
        return ProposedCall(tool_call_id=tool_call_id, name=name, arguments=arguments, refusal=refusal)
    seconds = agent.expiries.client if _waits_for_program(tool.executor, tool.approval) else agent.expiries.people
    return ProposedCall(
        tool_call_id=tool_call_id,
        name=name,
        arguments=arguments,
        executor=tool.executor,
        approval=tool.approval,
        on_unknown_outcome=tool.on_unknown_outcome,
        prompt=_prompt(tool.description),
        expires_at=now + round(seconds * 1000),
        refusal="The arguments are not a JSON object; send them again." if "malformed" in block else None,
    )


def _waits_for_program(executor: str, approval: str) -> bool:
    return executor == "client" and approval == "auto"


def _prompt(description: str) -> str:
    """What a person is asked: the first line of what the tool says of itself."""
    return description.strip().partition("\n")[0]

"""From the projected log to the request for the model: system and summary, verbatim tail, injected parts last."""

from collections.abc import Sequence

from agents.agent import Agent
from agents.middleware.pipeline.exchange import Request
from agents.models import Json, ModelRequest
from agents.tools import Tool
from agents.turn.events import Summary

SUMMARY_HEADING = "# Summary of the conversation so far\n\n"


def build_request(
    agent: Agent,
    sections: Sequence[str],
    messages: Sequence[Json],
    tools: Sequence[Tool],
    summary: Summary | None,
    away: Sequence[str] = (),
) -> Request:
    """The request before any middleware has changed it; `away` are sentences on servers whose tools are missing."""
    summaries = [SUMMARY_HEADING + summary.text] if summary else []
    injected = [{"type": "text", "text": sentence} for sentence in away]
    system = [section for section in (agent.system_prompt, *sections, *summaries) if section]
    return Request(system=system, messages=messages, tools=tools, max_tokens=agent.max_tokens, injected=injected)


def build_model_request(request: Request, agent: Agent) -> ModelRequest:
    """The request that middleware has left, in the shapes of the Messages API."""
    injected = _injected(request)
    messages = _append_injected(request.messages, injected)
    return ModelRequest(
        system="\n\n".join(request.system),
        messages=messages,
        tools=[tool.definition() for tool in request.tools],
        max_tokens=request.max_tokens,
        model=request.model,
        output_schema=agent.output.model_json_schema() if agent.output is not None else None,
        stable=len(messages) - 1 if injected else len(messages),
        injected=len(injected),
    )


def _injected(request: Request) -> Sequence[Json]:
    """Nothing if the last message is the model's: its provider has paused the turn, and resumes where it stopped."""
    is_paused = bool(request.messages) and request.messages[-1]["role"] == "assistant"
    return () if is_paused else request.injected


def _append_injected(messages: Sequence[Json], injected: Sequence[Json]) -> Sequence[Json]:
    """The messages with the injected blocks at the end of the last one, a user message."""
    if not injected:
        return messages
    *earlier, last = messages
    return [*earlier, {**last, "content": [*_blocks(last["content"]), *injected]}]


def _blocks(content: str | Sequence[Json]) -> Sequence[Json]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content

"""From the projected log to the request the model gets: system and summary, verbatim tail, injected parts last."""

from collections.abc import Sequence

from agents.agent import Agent
from agents.middleware.request import Request
from agents.models import Json, ModelRequest
from agents.tools import Tool
from agents.turn.events import Summary

SUMMARY_HEADING = "# Summary of the conversation so far\n\n"


def assemble(
    agent: Agent, sections: Sequence[str], messages: Sequence[Json], tools: Sequence[Tool], summary: Summary | None
) -> Request:
    """The request before any middleware has changed it."""
    told = [SUMMARY_HEADING + summary.text] if summary else []
    system = [section for section in (agent.system_prompt, *sections, *told) if section]
    return Request(system=system, messages=messages, tools=tools, max_tokens=agent.max_tokens)


def sent(request: Request, agent: Agent) -> ModelRequest:
    """The request in the words of the protocol."""
    messages = _with_injected(request)
    return ModelRequest(
        system="\n\n".join(request.system),
        messages=messages,
        tools=[tool.definition() for tool in request.tools],
        max_tokens=request.max_tokens,
        model=request.model,
        output_schema=agent.output.model_json_schema() if agent.output is not None else None,
        stable=len(messages) - 1 if request.injected else len(messages),
    )


def _with_injected(request: Request) -> Sequence[Json]:
    """The messages with the injected blocks at the end, in the last user message if there is one."""
    if not request.injected:
        return request.messages
    *earlier, last = request.messages
    if last["role"] == "user":
        return [*earlier, {**last, "content": [*_blocks(last["content"]), *request.injected]}]
    return [*request.messages, {"role": "user", "content": list(request.injected)}]


def _blocks(content: str | Sequence[Json]) -> Sequence[Json]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content

"""`raylogue approve`: decide about what waits for a person, be it a tool call or a question."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from agents.turn.approvers import describe
from deployments.cli.api import ApiClient
from deployments.cli.errors import CommandFailed
from deployments.cli.options import ConversationArgument, UrlOption, open_client
from deployments.cli.prompts import PendingCall, allowed_decisions, ask_for_decision, parse_arguments, tool_name
from deployments.cli.transcript import format_arguments, format_time, strip_controls

MAX_EVENTS_READ = 200
CONFIRMATIONS = {
    "approve": "Approved",
    "edit": "Approved with other arguments",
    "reject": "Rejected",
    "respond": "Answered",
}


def approve(
    conversation: ConversationArgument,
    call: Annotated[str | None, typer.Argument(help="Id of the call; without it, you are asked about each.")] = None,
    reject: Annotated[bool, typer.Option("--reject", help="Do not let it run.")] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="Why not; the agent reads it.")] = None,
    arguments: Annotated[
        str | None, typer.Option("--arguments", help="Run it with these arguments instead, as JSON.")
    ] = None,
    answer: Annotated[str | None, typer.Option("--answer", help="Answer in its place, with this text.")] = None,
    url: UrlOption = None,
) -> None:
    """Approve a call, edit, reject or answer it; without its id, see what waits and decide one by one."""
    decision = _decision_of_options(reject, reason, arguments, answer)
    if call is None and decision:
        raise CommandFailed("name the call that this is about")
    with open_client(url) as client:
        shown = client.get_conversation(conversation)
        pending = shown["pending"]
        if call is None:
            arguments_by_call = _read_arguments(client, conversation, shown["last_seq"])
            _ask_about_each(client, conversation, pending, arguments_by_call)
        else:
            _resolve(client, conversation, call, decision or _default_decision(pending.get(call)), pending.get(call))


def _ask_about_each(
    client: ApiClient,
    conversation: str,
    pending: dict[str, PendingCall],
    arguments_by_call: dict[str, dict[str, Any]],
) -> None:
    console = Console()
    if not pending:
        console.print("Nothing waits.")
    for tool_call_id, call in pending.items():
        _show(console, tool_call_id, call, arguments_by_call.get(tool_call_id, {}))
        if call["kind"] == "client_exec":
            console.print("It waits for another client.", style="yellow")
            continue
        if not call.get("may_decide", True):
            console.print("It waits for another person.", style="yellow")
            continue
        _resolve(client, conversation, tool_call_id, ask_for_decision(console, call), call)


def _show(console: Console, tool_call_id: str, call: PendingCall, arguments: dict[str, Any]) -> None:
    sub_agents_call = (call.get("form") or {}).get("call") or {}
    lines = [
        strip_controls(call.get("prompt") or ""),
        format_arguments(sub_agents_call.get("arguments", arguments)),
        f"takes: {', '.join(allowed_decisions(call))}",
        f"waits for: {describe(call['approvers'])}" if call.get("approvers") else "",
        f"until: {format_time(call['expires_at'])}" if call.get("expires_at") else "",
    ]
    title = Text(f"{strip_controls(tool_name(call))} · {tool_call_id}")
    console.print(Panel.fit(Text("\n".join(filter(None, lines))), title=title, title_align="left"))


def _read_arguments(client: ApiClient, conversation: str, last_seq: int) -> dict[str, dict[str, Any]]:
    """The arguments of the latest calls, by the ids of the calls."""
    events = client.get_events(conversation, before=last_seq + 1, limit=MAX_EVENTS_READ)
    return {event["tool_call_id"]: event["arguments"] for event in events if event["type"] == "tool_call"}


def _decision_of_options(
    reject: bool, reason: str | None, arguments: str | None, answer: str | None
) -> dict[str, Any] | None:
    if sum((reject, arguments is not None, answer is not None)) > 1:
        raise CommandFailed("a call is rejected, run with other arguments, or answered: one of them")
    if reject:
        return {"decision": "reject", "reason": reason}
    if arguments is not None:
        return {"decision": "edit", "arguments": parse_arguments(arguments)}
    if answer is not None:
        return {"decision": "respond", "answer": answer}
    return None


def _default_decision(call: PendingCall | None) -> dict[str, Any]:
    """The decision when no option names one: approve, or ask for the answer to a question."""
    if call is None or call["kind"] == "approval":
        return {"decision": "approve"}
    return ask_for_decision(Console(), call)


def _resolve(
    client: ApiClient, conversation: str, tool_call_id: str, resolution: dict[str, Any], call: PendingCall | None
) -> None:
    if call is not None and resolution["decision"] not in allowed_decisions(call):
        raise CommandFailed(f"this call takes {' or '.join(allowed_decisions(call))}, not {resolution['decision']}")
    shown = {"arguments_hash": call["arguments_hash"]} if call and call.get("arguments_hash") else {}
    client.resolve(conversation, {"tool_call_id": tool_call_id, **shown, **resolution})
    typer.echo(CONFIRMATIONS[resolution["decision"]])

"""`raylogue approve`: decide about what waits for a person, be it a tool call or a question."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from deployments.cli.api import Service
from deployments.cli.errors import CommandFailed
from deployments.cli.options import ConversationId, Url, service_url
from deployments.cli.prompts import Asked, allowed, decide, name_of, parsed_arguments
from deployments.cli.transcript import harmless, moment, worded

EVENTS_LOOKED_AT = 200
SAID = {"approve": "Approved", "edit": "Approved with other arguments", "reject": "Rejected", "respond": "Answered"}


def approve(
    conversation: ConversationId,
    call: Annotated[str | None, typer.Argument(help="Id of the call; without it, you are asked about each.")] = None,
    reject: Annotated[bool, typer.Option("--reject", help="Do not let it run.")] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="Why not; the agent reads it.")] = None,
    arguments: Annotated[
        str | None, typer.Option("--arguments", help="Run it with these arguments instead, as JSON.")
    ] = None,
    answer: Annotated[str | None, typer.Option("--answer", help="Answer in its place, with this text.")] = None,
    url: Url = None,
) -> None:
    """Approve a call, edit, reject or answer it; without its id, see what waits and decide one by one."""
    given = _given(reject, reason, arguments, answer)
    if call is None and given:
        raise CommandFailed("name the call that this is about")
    with Service(service_url(url)) as service:
        shown = service.conversation(conversation)
        pending = shown["pending"]
        if call is None:
            arguments_of = _arguments(service, conversation, shown["last_seq"])
            _ask_about_each(service, conversation, pending, arguments_of)
        else:
            _resolve(service, conversation, call, given or _settled(pending.get(call)), pending.get(call))


def _ask_about_each(
    service: Service, conversation: str, pending: dict[str, Asked], arguments_of: dict[str, dict[str, Any]]
) -> None:
    console = Console()
    if not pending:
        console.print("Nothing waits.")
    for call, asked in pending.items():
        _show(console, call, asked, arguments_of.get(call, {}))
        if asked["kind"] == "client_exec":
            console.print("It waits for another client.", style="yellow")
            continue
        _resolve(service, conversation, call, decide(console, asked), asked)


def _show(console: Console, call: str, asked: Asked, arguments: dict[str, Any]) -> None:
    below = (asked.get("form") or {}).get("call") or {}
    lines = [
        harmless(asked.get("prompt") or ""),
        worded(below.get("arguments", arguments)),
        f"takes: {', '.join(allowed(asked))}",
        f"until: {moment(asked['expires_at'])}" if asked.get("expires_at") else "",
    ]
    title = Text(f"{harmless(name_of(asked))} · {call}")
    console.print(Panel.fit(Text("\n".join(filter(None, lines))), title=title, title_align="left"))


def _arguments(service: Service, conversation: str, last_seq: int) -> dict[str, dict[str, Any]]:
    """What the latest calls are called with, by their ids."""
    events = service.page(conversation, before=last_seq + 1, limit=EVENTS_LOOKED_AT)
    return {event["tool_call_id"]: event["arguments"] for event in events if event["type"] == "tool_call"}


def _settled(asked: Asked | None) -> dict[str, Any]:
    """The decision when none was given: to approve, or to answer what is a question."""
    if asked is None or asked["kind"] == "approval":
        return {"decision": "approve"}
    return decide(Console(), asked)


def _resolve(service: Service, conversation: str, call: str, resolution: dict[str, Any], asked: Asked | None) -> None:
    if asked is not None and resolution["decision"] not in allowed(asked):
        raise CommandFailed(f"this call takes {' or '.join(allowed(asked))}, not {resolution['decision']}")
    shown = {"arguments_hash": asked["arguments_hash"]} if asked and asked.get("arguments_hash") else {}
    service.resolve(conversation, {"tool_call_id": call, **shown, **resolution})
    typer.echo(SAID[resolution["decision"]])


def _given(reject: bool, reason: str | None, arguments: str | None, answer: str | None) -> dict[str, Any] | None:
    if sum((reject, arguments is not None, answer is not None)) > 1:
        raise CommandFailed("a call is rejected, run with other arguments, or answered: one of them")
    if reject:
        return {"decision": "reject", "reason": reason}
    if arguments is not None:
        return {"decision": "edit", "arguments": parsed_arguments(arguments)}
    if answer is not None:
        return {"decision": "respond", "answer": answer}
    return None

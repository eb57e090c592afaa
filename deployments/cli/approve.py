"""`raylogue approve`: decide about a tool call that waits for a person."""

import json
from typing import Annotated, Any

import typer

from deployments.cli.api import Service
from deployments.cli.errors import CommandFailed
from deployments.cli.options import ConversationId, Url, service_url


def approve(
    conversation: ConversationId,
    call: Annotated[str, typer.Argument(help="Id of the tool call.")],
    reject: Annotated[bool, typer.Option("--reject", help="Do not let it run.")] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="Why not; the agent reads it.")] = None,
    arguments: Annotated[
        str | None, typer.Option("--arguments", help="Run it with these arguments instead, as JSON.")
    ] = None,
    url: Url = None,
) -> None:
    """Approve a tool call, with other arguments if you like, or reject it."""
    resolution = {"tool_call_id": call, **_decision(reject, reason, arguments)}
    with Service(service_url(url)) as service:
        service.resolve(conversation, resolution)
    typer.echo("Rejected" if reject else "Approved")


def _decision(reject: bool, reason: str | None, arguments: str | None) -> dict[str, Any]:
    if reject and arguments:
        raise CommandFailed("a call is either rejected or run with other arguments, not both")
    if reject:
        return {"decision": "reject", "reason": reason}
    if arguments:
        return {"decision": "edit", "arguments": _parsed(arguments)}
    return {"decision": "approve"}


def _parsed(arguments: str) -> dict[str, Any]:
    try:
        parsed = json.loads(arguments)
    except ValueError as error:
        raise CommandFailed(f"--arguments is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise CommandFailed("--arguments must be a JSON object")
    return parsed

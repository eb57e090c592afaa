"""`raylogue ps`: what lives where, from the hosts themselves."""

import json as json_module
import time
from typing import Annotated

import typer

from deployments.cli.api import JsonObject
from deployments.cli.options import JsonOption, UrlOption, open_client
from deployments.cli.transcript import strip_controls

NODE_CHARACTERS = 12


def ps(
    per_host: Annotated[int, typer.Option("--per-host", min=0, max=1000, help="Most conversations of a host.")] = 20,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """List the hosts of the cluster and the conversations that live in them: the turns that run for longest first."""
    with open_client(url) as client:
        hosts = list(client.list_hosts(per_host))
    if json:
        typer.echo(json_module.dumps({"hosts": hosts}))
        return
    for host in hosts:
        typer.echo(_host_line(host))
        for one in host["listed"]:
            typer.echo(f"  {_conversation_line(one)}")


def _host_line(host: JsonObject) -> str:
    where = f"{strip_controls(host['name'])} on {host['node'][:NODE_CHARACTERS]} {host['address'] or ''}".strip()
    if not host["answers"]:
        return f"{where}: does not answer"
    if host["conversations"] is None:
        return f"{where}: has older code, and does not say"
    memory = "" if host["memory"] is None else f", {round(host['memory'] / 1024**2)} MB"
    left_out = host["conversations"] - len(host["listed"])
    counts = f"{host['conversations']} conversations, {host['working']} working"
    shown = f", {left_out} not shown" if left_out else ""
    return f"{where}, code {host['code_version']}, process {host['pid']}{memory}: {counts}{shown}"


def _conversation_line(one: JsonObject) -> str:
    began = one["turn_began_at"]
    age = "" if began is None else f" for {max(0, round(time.time() - began / 1000))} s"
    waits = ", ".join(str(cause.get("name") or cause["kind"]) for cause in one["waits_for"])
    state = f"{one['state']} ({waits})" if waits else one["state"]
    words = [one["id"], one["agent"], state, f"turn {one['turn']}{age}"]
    if one["watchers"]:
        words.append(f"watched by {one['watchers']}")
    return strip_controls("  ".join(words))

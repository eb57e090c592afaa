"""What lives where, as operators see it: from the hosts themselves, over the API and by the command."""

import asyncio
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from deployments.cli.main import application
from deployments.routing.placement import actor_name
from tests.support.api import Api
from tests.support.service import RunningService

pytestmark = pytest.mark.ray


async def hosts_of(api: Api, **query: Any) -> dict[str, dict[str, Any]]:
    """All hosts by name, page by page."""
    found: dict[str, dict[str, Any]] = {}
    after = ""
    while after is not None:
        answer = await api.http.get("/v1/cluster/conversations", params={"after": after, **query})
        assert answer.status_code == 200, answer.text
        found |= {host["name"]: host for host in answer.json()["hosts"]}
        after = answer.json()["next"]
    return found


async def test_a_turn_that_runs_is_shown_where_it_runs(api: Api, service: RunningService, placement: str) -> None:
    conversation_id = await api.create("worker")
    async with api.speaking(conversation_id, "wait: here") as stream:
        await stream.until("tool_progress")
        place = (await api.show(conversation_id))["place"]
        assert (place == actor_name(conversation_id)) == (placement == "dedicated")
        hosts = await hosts_of(api, limit=1, per_host=1000)
        host = hosts[place]
        [shown] = [one for one in host["listed"] if one["id"] == conversation_id]
        assert [name for name, other in hosts.items() if shown in other["listed"]] == [place]
        assert (host["answers"], host["conversations"] >= host["working"] >= 1) == (True, True)
        assert host["pid"] > 1
        assert host["memory"] > 10**7
        assert host["code_version"] >= 1
        first, *_ = await api.log(conversation_id)
        assert (shown["agent"], shown["state"], shown["turn"]) == ("worker", "executing_tools", 1)
        assert shown["turn_began_at"] == first["at"]
        assert [cause["kind"] for cause in shown["waits_for"]] == ["tool"]
        assert shown["watchers"] >= 1  # the replica, for the stream of the message
        few = await hosts_of(api, per_host=0)
        assert few[place]["listed"] == []
        listed = await asyncio.to_thread(CliRunner().invoke, application, ["ps", "--url", service.url, "--json"])
        names = {one["id"] for other in orjson.loads(listed.stdout)["hosts"] for one in other["listed"]}
        assert conversation_id in names
        printed = await asyncio.to_thread(CliRunner().invoke, application, ["ps", "--url", service.url])
        assert f"  {conversation_id}  worker  executing_tools (wait)  turn 1 for " in printed.stdout
        assert f"{place} on {host['node'][:12]}" in printed.stdout
        await api.post(conversation_id, "cancel")
    await api.rest(conversation_id)
    [shown] = [one for one in (await hosts_of(api, per_host=1000))[place]["listed"] if one["id"] == conversation_id]
    assert (shown["state"], shown["turn_began_at"], shown["waits_for"]) == ("idle", None, [])

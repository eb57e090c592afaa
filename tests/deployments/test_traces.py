"""One trace through the real service: from the request by replica, host and Ray task, and through a sub-agent."""

import secrets
from functools import partial

import pytest

from store import Store
from tests.deployments.conftest import in_the_ingress
from tests.servers.otlp_server import OtlpServer
from tests.support.api import Api, eventually
from tests.support.recorded_spans import RecordedSpan, names_above

pytestmark = pytest.mark.ray

ASKED = "POST /v1/conversations/{conversation_id}/messages"


async def spans_with(otlp_server: OtlpServer, trace_id: str, *names: str) -> list[RecordedSpan]:
    """All spans of the trace that have come, once there are some with each of these names."""

    async def have_come() -> bool:
        return set(names) <= {span.name for span in otlp_server.of(trace_id)}

    await eventually(have_come)
    return otlp_server.of(trace_id)


async def ask(api: Api, agent: str, words: str) -> tuple[str, str]:
    """Send a message in a trace, and wait for the end of its turn: the conversation, and the trace's id."""
    trace_id, conversation_id = secrets.token_hex(16), await api.create(agent)
    headers = {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"}
    path = f"/v1/conversations/{conversation_id}/messages"
    assert (await api.http.post(path, json={"text": words}, headers=headers)).status_code == 202
    await api.rest(conversation_id)
    return conversation_id, trace_id


async def test_replica_host_and_task_are_in_one_tree(api: Api, otlp_server: OtlpServer, store: Store) -> None:
    conversation_id, trace_id = await ask(api, "worker", "weigh: a feather")
    spans = await spans_with(otlp_server, trace_id, ASKED, "door send", "ray_task weigh", "invoke_agent worker")

    [task] = [span for span in spans if span.name == "ray_task weigh"]
    way = names_above(spans, task)
    assert way[:3] == ["ray_task weigh", "execute_tool weigh", "invoke_agent worker"]
    assert way[-2:] == ["door send", ASKED]
    roles = {span.name: span.role for span in spans}
    assert (roles[ASKED], roles["ray_task weigh"]) == ("ingress", "task")
    assert roles["invoke_agent worker"].startswith(("host:", "conversation:"))
    asked = [(span.kind, span.attributes) for span in spans if span.name == ASKED]
    assert asked == [
        (
            "server",
            {
                "http.request.method": "POST",
                "http.route": "/v1/conversations/{conversation_id}/messages",
                "http.response.status_code": 202,
                "url.path": f"/v1/conversations/{conversation_id}/messages",
                "url.scheme": "http",
                "gen_ai.conversation.id": conversation_id,
            },
        )
    ]
    appended = [event for span in spans if span.name == "append" for event in span.attributes["raylogue.events"]]
    assert sorted(appended) == [
        "assistant_msg",
        "assistant_msg",
        "tool_call",
        "tool_result",
        "turn_ended",
        "user_msg",
    ]
    assert "feather" not in str(spans), "no content unless it is asked for"
    assert (await store.registry.get(conversation_id)).trace is None


@in_the_ingress
async def test_a_cancel_is_in_the_trace_of_its_request(api: Api, otlp_server: OtlpServer) -> None:
    conversation_id = await api.create("worker")
    await api.send(conversation_id, "ask: anybody?")

    async def waits() -> bool:
        return bool((await api.show(conversation_id))["state"] == "awaiting_input")

    await eventually(waits)
    trace_id = secrets.token_hex(16)
    headers = {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"}
    path = f"/v1/conversations/{conversation_id}/cancel"
    assert (await api.http.post(path, headers=headers)).status_code == 202
    asked = "POST /v1/conversations/{conversation_id}/cancel"
    spans = await spans_with(otlp_server, trace_id, asked, "door cancel", "host cancel")
    [cancelled] = [span for span in spans if span.name == "host cancel"]
    assert names_above(spans, cancelled) == ["host cancel", "door cancel", asked]
    assert cancelled.attributes["raylogue.command"] == "Cancel"


@in_the_ingress
async def test_a_sub_agent_works_in_the_same_tree(api: Api, otlp_server: OtlpServer) -> None:
    conversation_id, trace_id = await ask(api, "chief", "witness: it")
    agents = ("invoke_agent chief", "invoke_agent chief/worker")
    spans = await spans_with(otlp_server, trace_id, ASKED, *agents)  # the ingress sends its own
    [child] = [span for span in spans if span.name == "invoke_agent chief/worker"]
    way = names_above(spans, child)
    assert way[:3] == ["invoke_agent chief/worker", "host send", "door send"]
    assert way[3:5] == ["execute_tool task", "invoke_agent chief"]
    assert way[-1] == ASKED

    response = await api.http.get(f"/v1/conversations/{conversation_id}/turns/last/trace")
    turn = response.json()
    assert (response.status_code, turn["status"], turn["agent"]) == (200, "completed", "chief")
    [call] = [part for part in turn["parts"] if part["kind"] == "tool_call"]
    assert (call["name"], call["status"], call["turn"]["agent"]) == ("task", "ok", "chief/worker")
    assert call["began_at"] <= call["turn"]["began_at"] <= call["turn"]["ended_at"] <= call["ended_at"]
    missing = await api.http.get(f"/v1/conversations/{conversation_id}/turns/2/trace")
    assert (missing.status_code, missing.json()["type"]) == (404, "urn:raylogue:problem:unknown_turn")


@in_the_ingress
async def test_a_turn_under_way_is_told_as_far_as_it_is(api: Api) -> None:
    conversation_id = await api.create("worker")
    await api.send(conversation_id, "ask: may I?")
    await eventually(partial(_asks, api, conversation_id))
    turn = (await api.http.get(f"/v1/conversations/{conversation_id}/turns/1/trace")).json()
    assert (turn["status"], turn["ended_at"]) == ("unfinished", None)
    assert [(part["kind"], part["ended_at"] is None) for part in turn["parts"]] == [
        ("message", False),
        ("model_call", False),
        ("tool_call", True),
        ("question", True),
    ]


async def _asks(api: Api, conversation_id: str) -> bool:
    return bool((await api.show(conversation_id))["pending"])


@in_the_ingress
async def test_a_request_in_no_trace_is_not_recorded_where_the_sampler_says_so(
    api: Api, otlp_server: OtlpServer
) -> None:
    conversation_id = await api.create("worker")
    await api.turn(conversation_id, "hello")
    _, trace_id = await ask(api, "worker", "hello")  # its spans are sent after the others would have been
    await spans_with(otlp_server, trace_id, "invoke_agent worker", ASKED)
    told = {span.attributes.get("gen_ai.conversation.id") for span in otlp_server.spans}
    assert conversation_id not in told

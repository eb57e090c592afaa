"""The span of a request: its name, its status, its place in the trace that the client has begun, and its end."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import StreamingResponse
from starlette.requests import Request

from agents.tracing import trace_id_of
from deployments.ingress.request_spans import TRACE, RequestSpans, traceparent_of
from tests.support.recorded_spans import SPAN_ID, TRACE_ID, TRACEPARENT, SpanMemory


@pytest.fixture
def memory() -> SpanMemory:
    return SpanMemory()


@pytest.fixture
async def http(memory: SpanMemory) -> AsyncIterator[httpx.AsyncClient]:
    app, router = FastAPI(), APIRouter(prefix="/v1/conversations/{conversation_id}")
    app.add_middleware(RequestSpans, tracer=memory.tracer)

    @router.get("")
    async def get(conversation_id: str, request: Request) -> dict[str, str | None]:
        return {"id": conversation_id, "traceparent": request.scope[TRACE], "of": traceparent_of(request.scope)}

    @app.get("/broken")
    async def broken() -> Response:
        return Response(status_code=503)

    @app.get("/healthz")
    async def healthz() -> str:
        return "ok"

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def body() -> AsyncIterator[str]:
            yield f"data: {[span.name for span in memory.spans]}\n\n"

        return StreamingResponse(body(), media_type="text/event-stream")

    app.include_router(router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        yield client


async def test_it_stands_below_the_clients_span_and_above_all_else(http: httpx.AsyncClient, memory: SpanMemory) -> None:
    answer = (await http.get("/v1/conversations/c1", headers={"traceparent": TRACEPARENT})).json()
    [span] = memory.spans
    assert (span.name, span.kind) == ("GET /v1/conversations/{conversation_id}", "server")
    assert (span.trace_id, span.parent_id) == (TRACE_ID, SPAN_ID)
    assert answer["traceparent"] == answer["of"] == f"00-{TRACE_ID}-{span.span_id}-01"
    assert span.attributes == {
        "http.request.method": "GET",
        "http.route": "/v1/conversations/{conversation_id}",
        "http.response.status_code": 200,
        "url.path": "/v1/conversations/c1",
        "url.scheme": "http",
        "gen_ai.conversation.id": "c1",
    }


@pytest.mark.parametrize("header", [None, "nonsense", TRACEPARENT.upper()])
async def test_a_trace_begins_where_the_client_names_none(
    http: httpx.AsyncClient, memory: SpanMemory, header: str | None
) -> None:
    headers = {} if header is None else {"traceparent": header}
    answer = (await http.get("/v1/conversations/c1", headers=headers)).json()
    [span] = memory.spans
    assert span.parent_id is None
    assert span.trace_id == trace_id_of(answer["traceparent"]) != TRACE_ID


async def test_a_trace_that_the_client_does_not_record_is_not_recorded_here(
    http: httpx.AsyncClient, memory: SpanMemory
) -> None:
    answer = (await http.get("/v1/conversations/c1", headers={"traceparent": f"{TRACEPARENT[:-2]}00"})).json()
    assert memory.spans == []
    assert answer["traceparent"].startswith(f"00-{TRACE_ID}-")
    assert answer["traceparent"].endswith("-00")


async def test_failures_of_the_service_are_marked_and_checks_are_left_out(
    http: httpx.AsyncClient, memory: SpanMemory
) -> None:
    for path in ("/broken", "/healthz", "/nowhere"):
        await http.get(path)
    assert {span.name: span.error for span in memory.spans} == {"GET /broken": "503", "GET": None}


async def test_the_span_of_a_stream_ends_with_the_head_of_its_answer(
    http: httpx.AsyncClient, memory: SpanMemory, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await http.get("/stream")).text == "data: ['GET /stream']\n\n"
    assert len(memory.spans) == 1
    assert caplog.records == [], "an ended span is left alone"

"""The API against its own document: generated requests, in and out of what it describes, and answers as it says."""

from collections.abc import Iterator

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from deployments.ingress.application import http_application

ANSWERED_AS_DOCUMENTED = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
BOUNDED = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@schemathesis.serializer("application/x-ndjson")
def lines_of(_: schemathesis.SerializationContext, value: object) -> bytes:
    """The document says no more of an import than that it is a text."""
    return str(value).encode(errors="replace")


schema = schemathesis.openapi.from_dict(http_application().openapi())


@pytest.fixture(scope="module")
def conversation_id(service_url: str) -> Iterator[str]:
    """A conversation with a turn in it."""
    with httpx.Client(base_url=service_url, timeout=60) as http:
        created: str = http.post("/v1/conversations", json={}).json()["id"]
        http.post(f"/v1/conversations/{created}/messages", json={"text": "hello"})
        yield created
        http.delete(f"/v1/conversations/{created}")


@schema.parametrize()
@BOUNDED
def test_requests_about_anything(case: schemathesis.Case, service_url: str) -> None:
    case.call_and_validate(base_url=service_url, checks=ANSWERED_AS_DOCUMENTED, timeout=60)


@schema.include(path_regex="conversation_id").exclude(method="DELETE", path_regex="conversation_id}$").parametrize()
@BOUNDED
def test_requests_about_a_conversation_that_is_there(
    case: schemathesis.Case, service_url: str, conversation_id: str
) -> None:
    case.path_parameters["conversation_id"] = conversation_id
    case.call_and_validate(base_url=service_url, checks=ANSWERED_AS_DOCUMENTED, timeout=60)

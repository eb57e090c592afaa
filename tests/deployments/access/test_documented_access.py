"""The API against its own document, by people with API keys: generated requests get what is written, and no 5xx."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from typing import NamedTuple

import pytest
import schemathesis
from hypothesis import settings

from deployments.access.principal import Role
from deployments.settings import Settings
from tests.deployments.test_documented_api import ANSWERED_AS_DOCUMENTED, BOUNDED, schema
from tests.support.access_service import bearer, make_key, serving
from tests.support.service import RunningService

FEW = settings(BOUNDED, max_examples=4)
ROLES: Mapping[str, Role] = {"admin": "admin", "user": "user"}
ANYTHING = schema.exclude(path_regex="^/readyz$")
"""Without what says that the hosts answer which this application has not started."""
CONVERSATION = schema.include(path_regex="conversation_id").exclude(method="DELETE", path_regex="conversation_id}$")


class Keyed(NamedTuple):
    """The application that asks for keys, a key of each kind, and a conversation of the user's."""

    url: str
    keys: Mapping[str, str]
    conversation_id: str


@pytest.fixture(scope="module")
def keyed(service: RunningService, cluster: None) -> Iterator[Keyed]:
    """It runs in a loop of its own: the generated requests wait for their answers."""
    loop, stack = asyncio.new_event_loop(), AsyncExitStack()
    thread = threading.Thread(target=loop.run_forever, daemon=True)

    async def start() -> Keyed:
        store = service.store()
        stack.push_async_callback(store.aclose)
        chosen = Settings(
            **service.settings().model_copy(update={"auth": "keys"}).model_dump(exclude={"anthropic_api_key"})
        )
        http = await stack.enter_async_context(serving(store, chosen))
        keys = {name: await make_key(store, name, roles=frozenset({role})) for name, role in ROLES.items()}
        created = await http.post("/v1/conversations", json={}, headers=bearer(keys["user"]))
        return Keyed(str(http.base_url), keys, created.json()["id"])

    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(start(), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def check(case: schemathesis.Case, keyed: Keyed, person: str) -> None:
    case.headers = {**(case.headers or {}), **bearer(keyed.keys[person])}
    case.call_and_validate(base_url=keyed.url, checks=ANSWERED_AS_DOCUMENTED, timeout=60)


@pytest.mark.parametrize("person", ROLES)
@ANYTHING.parametrize()
@FEW
def test_requests_about_anything(case: schemathesis.Case, keyed: Keyed, person: str) -> None:
    check(case, keyed, person)


@pytest.mark.parametrize("person", ROLES)
@CONVERSATION.parametrize()
@FEW
def test_requests_about_a_conversation_that_is_there(case: schemathesis.Case, keyed: Keyed, person: str) -> None:
    """The user's own; an admin of the tenant may do what its owner may."""
    case.path_parameters["conversation_id"] = keyed.conversation_id
    check(case, keyed, person)

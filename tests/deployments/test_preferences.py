"""A person's own choice about approvals, for the tools that leave it to each user."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.deployments.test_problems import check_problem
from tests.support.api import Api

pytestmark = pytest.mark.ray


@pytest.fixture
def placement() -> str:
    """Preferences are in the store, wherever conversations live."""
    return "shared"


APPROVALS = "/v1/preferences/approvals"


@pytest.fixture(autouse=True)
async def reset_choice(api: Api) -> AsyncIterator[None]:
    """Take the choice back after each test."""
    yield
    await choose(api, None)


async def choose(api: Api, approval: str | None, tool: str = "publish") -> Any:
    response = await api.http.put(f"{APPROVALS}/{tool}", json={"approval": approval})
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_choice_is_kept_until_it_is_taken_back(api: Api) -> None:
    assert (await api.http.get(f"{APPROVALS}/publish")).json() == {"approval": None}
    assert await choose(api, "auto") == {"approval": "auto"}
    assert (await api.http.get(f"{APPROVALS}/publish")).json() == {"approval": "auto"}
    assert (await api.http.get(APPROVALS)).json() == {"approvals": {"publish": "auto"}}
    assert await choose(api, None) == {"approval": None}
    assert (await api.http.get(APPROVALS)).json() == {"approvals": {}}


async def test_a_person_who_chose_auto_is_not_asked(api: Api) -> None:
    conversation_id = await api.create("clerk")
    await choose(api, "auto")
    events = await api.turn(conversation_id, 'publish {"text": "tea"}')
    assert events[-1]["type"] == "turn_completed"
    await choose(api, "required")
    events = await api.turn(conversation_id, 'publish {"text": "tea"}')
    assert events[-1]["state"] == "awaiting_input"


@pytest.mark.parametrize("tool", ["announce", "wait", "nothing", "ask_user"])
async def test_a_tool_that_leaves_no_choice(api: Api, tool: str) -> None:
    check_problem(await api.http.put(f"{APPROVALS}/{tool}", json={"approval": "auto"}), 422, "invalid_request")


@pytest.mark.parametrize("body", [{}, {"approval": "maybe"}, {"approval": True}, {"approval": "auto", "for": "ada"}])
async def test_a_bad_choice(api: Api, body: Any) -> None:
    check_problem(await api.http.put(f"{APPROVALS}/publish", json=body), 422, "invalid_request")


async def test_a_name_that_no_tool_has(api: Api) -> None:
    check_problem(await api.http.get(f"{APPROVALS}/a%20b"), 422, "invalid_request")
    check_problem(await api.http.put(f"{APPROVALS}/{'x' * 129}", json={"approval": "auto"}), 422, "invalid_request")

"""The end of a turn that makes no progress, under the route's name and under its former one."""

import pytest

from tests.deployments.conftest import in_the_ingress
from tests.deployments.test_problems import check_problem
from tests.support.api import Api
from tests.support.service_agents import Ledger

pytestmark = pytest.mark.ray


@pytest.mark.parametrize("name", ["abort", "release"])
async def test_a_turn_is_ended_as_failed(api: Api, ledger: Ledger, name: str) -> None:
    conversation_id = await api.create("worker")
    async with api.speaking(conversation_id, "wait: here") as stream:
        await stream.until("tool_progress")
        response = await api.post(conversation_id, name)
        [*_, failed] = await stream.until("turn_failed")
    log = await api.log(conversation_id)
    assert response.status_code == 202
    assert response.json() == {"conversation_id": conversation_id, "turn": 1, "seq": log[-1]["seq"], "killed": None}
    assert (failed["reason"], log[-1]["outcome"], log[-1]["reason"]) == ("released", "failed", "released")
    assert [deed for _, deed in ledger.read(conversation_id)] == ["started"]
    check_problem(await api.post(conversation_id, name), 409, "not_running")
    check_problem(await api.http.post(f"/v1/conversations/nobody/{name}"), 404, "unknown_conversation")


@in_the_ingress
async def test_the_former_name_is_marked_as_deprecated(api: Api) -> None:
    paths = (await api.http.get("/openapi.json")).json()["paths"]
    abort, release = (paths[f"/v1/conversations/{{conversation_id}}/{name}"]["post"] for name in ("abort", "release"))
    assert release["deprecated"]
    assert "deprecated" not in abort
    assert set(release["responses"]) == set(abort["responses"])

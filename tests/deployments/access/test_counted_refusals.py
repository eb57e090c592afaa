"""Every problem that the API answers with is counted by its type, whatever found it; nothing else is."""

from deployments.ingress.problems import PROBLEM_TYPES
from deployments.metrics import table
from deployments.metrics.recorder import Recorder
from deployments.settings import Settings
from store import Store
from tests.support.access_service import serving


async def test_each_problem_is_counted_once_by_its_type(store: Store) -> None:
    recorder = Recorder()
    recorder.learn(table.PROBLEM, PROBLEM_TYPES)

    def counted() -> dict[str, float]:
        return {sample.labels[0]: sample.value for sample in recorder.samples() if sample.metric is table.REFUSALS}

    async with serving(store, Settings(auth="keys"), recorder) as http:
        assert (await http.get("/healthz")).status_code == 200
        assert counted() == {}
        await http.get("/v1/conversations")
        await http.get("/v1/conversations", headers={"Authorization": "Bearer rl_x_y"})
        await http.get("/v1/conversations", headers={"Host": "elsewhere.example"})
    assert counted() == {"credentials_missing": 1, "credentials_malformed": 1, "foreign_host": 1}


async def test_what_a_route_refuses_is_counted(store: Store) -> None:
    recorder = Recorder()
    recorder.learn(table.PROBLEM, PROBLEM_TYPES)
    async with serving(store, Settings(auth="off"), recorder) as http:
        answers = [
            await http.get("/v1/conversations/nowhere"),
            await http.get("/v1/nothing"),
            await http.post("/v1/conversations", content=b"{", headers={"Content-Type": "application/json"}),
        ]
    assert [answer.json()["type"].rpartition(":")[2] for answer in answers] == [
        "unknown_conversation",
        "not_found",
        "malformed_json",
    ]
    counted = {sample.labels[0]: sample.value for sample in recorder.samples()}
    assert counted == {"unknown_conversation": 1, "not_found": 1, "malformed_json": 1}

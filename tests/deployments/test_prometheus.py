"""A real Prometheus scrapes the running service: each query of the dashboard has data, and each rule is evaluated."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import ray

from deployments.access.principal import LOCAL
from deployments.metrics.alerts import ALERTS
from deployments.metrics.dashboard import INTERVAL, sections
from deployments.metrics.table import TABLE
from deployments.settings import Settings
from deployments.work.client import JobClient
from deployments.work.queues import Queues
from store import Store
from tests.deployments.conftest import in_the_ingress
from tests.servers.prometheus import Prometheus, needs_prometheus
from tests.support.api import Api, eventually
from tests.support.job_types import Note
from tests.support.service import RunningService

pytestmark = [pytest.mark.ray, pytest.mark.slow, in_the_ingress, needs_prometheus]


RELAYED = 'ray_raylogue_conversations{place="dedicated"} > 0'
"""What only an actor of its own can have told, by way of a replica."""


@pytest.fixture
def prometheus(cluster: None, tmp_path: Path) -> Iterator[Prometheus]:
    """It scrapes the node of the service."""
    targets = [f"{node['NodeManagerAddress']}:{node['MetricsExportPort']}" for node in ray.nodes() if node["Alive"]]
    with Prometheus(tmp_path, targets) as running:
        yield running


@pytest.fixture
async def jobs(service: RunningService, store: Store) -> AsyncIterator[JobClient]:
    """As a part of the service submits them."""
    queues = Queues(Settings(redis_url=service.redis.url))
    yield JobClient(store, queues)
    await queues.aclose()


async def test_every_query_of_the_dashboard_has_data(
    api: Api, jobs: JobClient, prometheus: Prometheus, tmp_path: Path
) -> None:
    await put_load_on(api, jobs, tmp_path)
    queries = {
        query.expression.replace(INTERVAL, "1m").replace("$SessionName", ".*")
        for _, panels in sections()
        for panel in panels
        for query in panel.queries
    }
    assert len(queries) > len(TABLE)
    empty = queries | {RELAYED}

    async def look() -> bool:
        nonlocal empty
        empty = {query for query in empty if not prometheus.query(query)}
        return not empty

    try:
        await eventually(look, patience=120.0)  # a worker starts for the job, and then its process reports
    except TimeoutError:
        pytest.fail("no data: " + "\n".join(sorted(empty)))
    await check_labels(prometheus)
    await eventually(lambda: rules_are_evaluated(prometheus))


async def put_load_on(api: Api, jobs: JobClient, directory: Path) -> None:
    """A turn of each kind of agent, one with a dedicated actor, a tool, a job and a refusal."""
    for agent in ("assistant", "claude", "worker"):
        conversation = await api.create(agent)
        await api.turn(conversation, "What is 6 * 7?")
    alone = await api.create("assistant", placement="dedicated")
    await api.turn(alone, "hello")
    await jobs.submit("write_note", Note(ledger=directory / "ledger"), owner=LOCAL.id)
    assert (await api.http.get("/v1/conversations/nowhere")).status_code == 404


async def check_labels(prometheus: Prometheus) -> None:
    """No label of ours has a value that neither the table nor the code knows, and none is an id."""
    for metric in TABLE:
        suffix = "_count" if metric.kind == "histogram" else ""
        for series in prometheus.query(f"ray_{metric.exported}{suffix}"):
            for label in metric.labels:
                value = series["metric"][label.name]
                assert label.values is None or value in label.values | {"other"}, (metric.name, value)
                assert len(value) < 60


async def rules_are_evaluated(prometheus: Prometheus) -> bool:
    rules = prometheus.rules()
    assert {rule["name"] for rule in rules} == {alert.name for alert in ALERTS}
    assert not [rule for rule in rules if rule["health"] == "err"]
    return all(rule["health"] == "ok" for rule in rules)

"""Limits of principals and tenants at the door: what a request beyond them gets, who sets them, and what they are."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from limits import parse
from limits.aio.strategies import FixedWindowRateLimiter, SlidingWindowCounterRateLimiter

from agents.clock import now_ms
from deployments.access.known_limits import KnownLimits
from deployments.access.limits import LimitReached, parse_limits
from deployments.access.rate_storage import RateStorage, key_of
from deployments.access.request_limits import RequestLimits
from deployments.settings import Settings
from store import Store, connect
from store.registries.usage import day_of, end_of_day, person_scope, tenant_scope
from tests.deployments.test_problems import check_problem
from tests.servers.process import free_port
from tests.support.access_service import bearer, make_key, serving


class Asking:
    """Requests of one principal."""

    def __init__(self, http: httpx.AsyncClient, key: str) -> None:
        self._http = http
        self._headers = bearer(key)

    async def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return await self._http.request(method, path, json=body, headers={**self._headers, **headers})


@pytest.fixture
async def ada(http: httpx.AsyncClient, store: Store) -> Asking:
    return Asking(http, await make_key(store))


@pytest.fixture
async def bob(http: httpx.AsyncClient, store: Store) -> Asking:
    return Asking(http, await make_key(store, "bob"))


@pytest.fixture
async def boss(http: httpx.AsyncClient, store: Store) -> Asking:
    return Asking(http, await make_key(store, "boss", roles=frozenset({"admin"})))


@pytest.fixture
async def olga(http: httpx.AsyncClient, store: Store) -> Asking:
    return Asking(http, await make_key(store, "olga", "ops", roles=frozenset({"operator"})))


def check_reached(response: httpx.Response, limit: str, subject: str, value: str | int) -> Mapping[str, Any]:
    """The problem says which limit of whom, how much and when; so does `Retry-After`."""
    check_problem(response, 429, "limit_reached")
    problem: Mapping[str, Any] = response.json()
    assert (problem["limit"], problem["subject"], problem["value"]) == (limit, subject, value)
    assert subject in problem["detail"]
    seconds = int(response.headers["Retry-After"])
    assert seconds >= 1
    if problem["resets_at"] is not None:
        assert abs(problem["resets_at"] / 1000 - time.time() - seconds) < 60
    return problem


async def test_signing_in_is_a_request(http: httpx.AsyncClient, store: Store, olga: Asking) -> None:
    await olga("PUT", "/v1/limits/acme/ada", {"requests": "3/day"})
    key, page = await make_key(store), {"X-Raylogue-Page": "1"}
    answers = [await http.post("/v1/session", json={"key": key}, headers=page) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    check_reached(answers[-1], "requests", "acme/ada", "3/day")
    assert len(await store.audit.read("acme")) == 2 + 3, "two of the limit, one of each time that ada has signed in"


async def test_requests_in_a_window(ada: Asking, bob: Asking, olga: Asking) -> None:
    await olga("PUT", "/v1/limits/acme/ada", {"requests": "3/day"})
    answers = [await ada("GET", "/v1/info") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    problem = check_reached(answers[-1], "requests", "acme/ada", "3/day")
    assert problem["resets_at"] == end_of_day(now_ms()) + 8 * 3600 * 1000, "when a third of today's weighs no more"
    check_reached(await ada("GET", "/v1/nothing"), "requests", "acme/ada", "3/day")
    assert (await bob("GET", "/v1/info")).status_code == 200
    assert (await ada("GET", "/healthz")).status_code == 200, "what is public is for everyone"


async def test_a_tenants_requests_are_those_of_all_its_people(ada: Asking, bob: Asking, olga: Asking) -> None:
    await olga("PUT", "/v1/limits/acme", {"requests": "2/day"})
    assert [(await asking("GET", "/v1/info")).status_code for asking in (ada, bob)] == [200, 200]
    check_reached(await bob("GET", "/v1/info"), "requests", "acme", "2/day")


async def test_bytes_on_a_day(ada: Asking, olga: Asking) -> None:
    await olga("PUT", "/v1/limits/acme/ada", {"bytes": "100/day"})
    assert (await ada("POST", "/v1/keys", {"label": "x" * 95})).status_code == 201, "the last body may go beyond it"
    problem = check_reached(await ada("POST", "/v1/keys", {"label": "x"}), "bytes", "acme/ada", "100/day")
    assert problem["resets_at"] == end_of_day(now_ms())
    assert (await ada("GET", "/v1/info")).status_code == 200, "without a body"


async def test_open_streams(http: httpx.AsyncClient, store: Store, olga: Asking) -> None:
    key = await make_key(store)
    ada = Asking(http, key)
    created = (await ada("POST", "/v1/conversations", {})).json()["id"]
    await olga("PUT", "/v1/limits/acme/ada", {"streams": 2})
    headers = {**bearer(key), "Accept": "text/event-stream"}
    paths = (f"/v1/conversations/{created}/events", "/v1/feed")
    async with AsyncExitStack() as stack:
        for path in paths:
            stream = await stack.enter_async_context(http.stream("GET", path, headers=headers))
            assert stream.status_code == 200
        for path in paths:
            check_reached(await ada("GET", path, Accept="text/event-stream"), "streams", "acme/ada", 2)
            assert (await ada("GET", path)).status_code == 200, "a page is no stream"
        assert (await ada("GET", "/v1/limits")).json()["used"]["streams"] == 2
    async with asyncio.timeout(10):
        while (await ada("GET", "/v1/limits")).json()["used"]["streams"]:  # noqa: ASYNC110 - noted beside the answer
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(("kind", "amount"), [("tokens", 1000), ("cost", 2_500_000)])
@pytest.mark.parametrize("subject", ["acme/ada", "acme"])
async def test_what_is_spent_on_a_day(
    ada: Asking, olga: Asking, store: Store, kind: str, amount: int, subject: str
) -> None:
    created = (await ada("POST", "/v1/conversations", {})).json()["id"]
    await olga("PUT", f"/v1/limits/{subject}", {kind: amount})
    day = day_of(now_ms())
    scope = tenant_scope("acme", day) if subject == "acme" else person_scope("acme/ada", day)
    store.usage.spend([scope], 1000, 2_500_000)
    await store.usage.settle([scope])
    path = f"/v1/conversations/{created}/messages"
    problem = check_reached(await ada("POST", path, {"text": "hello"}), kind, subject, amount)
    assert problem["resets_at"] == end_of_day(now_ms())
    assert (await ada("GET", f"/v1/conversations/{created}")).status_code == 200
    used = (await olga("GET", f"/v1/limits/{subject}")).json()["used"]
    assert (used["tokens"], used["cost"]) == (1000, 2_500_000)


async def test_who_sets_limits(ada: Asking, boss: Asking, olga: Asking) -> None:
    chosen = {"requests": "100/5 minutes", "turns": 3, "cost": None}
    for asking, subject in ((ada, "acme/ada"), (ada, "acme"), (boss, "acme"), (boss, "evil/eve"), (boss, "evil")):
        for method, body in (("PUT", chosen), ("DELETE", None)):
            check_problem(await asking(method, f"/v1/limits/{subject}", body), 403, "not_allowed")
    for asking, subject in ((boss, "acme/ada"), (olga, "acme"), (olga, "evil/eve")):
        answer = await asking("PUT", f"/v1/limits/{subject}", chosen)
        assert answer.status_code == 200
        shown = {"requests": "100/5 minutes", "turns": 3, "bytes": None, "streams": None, "tokens": None, "cost": None}
        assert answer.json()["limits"] == shown
    own = (await ada("GET", "/v1/limits")).json()
    assert (own["subject"], own["limits"]["turns"], own["tenant"]["limits"]["turns"]) == ("acme/ada", 3, 3)
    assert (await ada("GET", "/v1/limits/acme/ada")).status_code == 200
    check_problem(await ada("GET", "/v1/limits/acme/bob"), 403, "not_allowed")
    check_problem(await ada("GET", "/v1/limits/acme"), 403, "not_allowed")
    assert (await boss("DELETE", "/v1/limits/acme/ada")).status_code == 204
    assert (await ada("GET", "/v1/limits")).json()["limits"]["turns"] is None
    lines = (await boss("GET", "/v1/audit?type=limits_set")).json()["lines"]
    assert [(line["principal"], line["data"]["subject"]) for line in lines if line["outcome"] == "done"] == [
        ("ops/olga", "acme"),
        ("acme/boss", "acme/ada"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"requests": "many"},
        {"requests": "1/month"},
        {"requests": "3/0 seconds"},
        {"turns": -1},
        {"turns": 1.5},
        {"unknown": 1},
    ],
)
async def test_limits_that_are_none(olga: Asking, body: Mapping[str, Any]) -> None:
    check_problem(await olga("PUT", "/v1/limits/acme/ada", body), 422, "invalid_request")


async def test_the_settings_hold_for_all_to_whom_nothing_else_was_set(store: Store) -> None:
    chosen = {"auth": "keys", "limits": "requests=2/day, turns=1", "tenant_limits": "streams=5"}
    async with serving(store, Settings().model_copy(update=chosen)) as http:
        ada, bob = Asking(http, await make_key(store, "ada")), Asking(http, await make_key(store, "bob"))
        await store.limits.set("acme/bob", {"requests": None})
        assert [(await ada("GET", "/v1/info")).status_code for _ in range(3)] == [200, 200, 429]
        assert [(await bob("GET", "/v1/info")).status_code for _ in range(3)] == [200, 200, 200]
        own = (await bob("GET", "/v1/limits")).json()
        assert (own["limits"]["turns"], own["limits"]["requests"]) == (1, None)
        assert own["tenant"]["limits"]["streams"] == 5


async def test_without_authentication_there_are_no_limits_unless_they_are_set(store: Store) -> None:
    async with serving(store, Settings().model_copy(update={"limits": "requests=2/day"})) as http:
        answers = [await http.get("/v1/info") for _ in range(3)]
        check_reached(answers[-1], "requests", "local", "2/day")
    async with serving(store, Settings()) as http:
        assert {(await http.get("/v1/info")).status_code for _ in range(30)} == {200}
        assert (await http.put("/v1/limits/local", json={"turns": 7})).json()["limits"]["turns"] == 7


def test_how_limits_are_written() -> None:
    written = "requests=20/second, bytes=1000 per 2 hours,turns=5,cost=2.50,tokens=none"
    read = {"requests": "20/second", "bytes": "1000 per 2 hours", "turns": 5, "cost": 2_500_000, "tokens": None}
    assert parse_limits(written) == read
    for wrong in ("requests=fast", "turns=x", "tuns=5", "turns=5,turns=6", "cost=-1", "bytes=5", "bytes=1/month"):
        with pytest.raises(ValueError, match=wrong.partition("=")[0]):
            parse_limits(wrong)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_020.0
        """The beginning of a minute."""

    def __call__(self) -> float:
        return self.now


Replicas = tuple[RateStorage, RateStorage, Clock]


@pytest.fixture
def replicas(store: Store) -> Replicas:
    """Two on one store."""
    clock = Clock()
    return RateStorage(store.counters, clock), RateStorage(store.counters, clock), clock


async def test_replicas_count_together(replicas: Replicas) -> None:
    one, two, clock = replicas
    rate, key = parse("10/minute"), key_of("requests", "acme/ada")
    first, second = SlidingWindowCounterRateLimiter(one), SlidingWindowCounterRateLimiter(two)
    assert [await first.hit(rate, key) for _ in range(6)] == [True] * 6
    await one.settle()
    assert await second.hit(rate, key), "it knows nothing yet of the first"
    await two.settle()
    assert [await second.hit(rate, key) for _ in range(4)] == [True] * 3 + [False]
    await two.settle()
    assert await first.hit(rate, key), "nor does the first of the second, until it has something to say"
    await one.settle()
    assert not await first.hit(rate, key)
    clock.now += 60
    assert not await first.hit(rate, key), "the window before weighs as much as it reaches into the minute"
    clock.now += 30
    assert await first.hit(rate, key)


async def test_bytes_of_a_window_end_with_it(replicas: Replicas) -> None:
    one, _, clock = replicas
    rate, key = parse("100/minute"), key_of("bytes", "acme/ada")
    limiter = FixedWindowRateLimiter(one)
    await limiter.hit(rate, key, cost=150)
    assert not await limiter.test(rate, key)
    assert await one.get_expiry(rate.key_for(key)) == clock.now + 60
    clock.now += 60
    assert await limiter.test(rate, key)


async def test_while_redis_is_away_nothing_is_refused_because_of_it() -> None:
    store = connect(f"redis://127.0.0.1:{free_port()}", patience=0.05)
    settings = Settings().model_copy(update={"limits": "requests=2/day, streams=1, turns=1, tokens=1"})
    known = KnownLimits(settings, store)
    limits = RequestLimits(known, store)
    await limits.admit("acme/ada")
    await known.require_spending("acme/ada")
    async with limits.stream("acme/ada"), limits.stream("acme/ada"):
        await limits.admit("acme/ada")
    with pytest.raises(LimitReached, match="requests, 2/day"):
        await limits.admit("acme/ada")  # a replica counts for itself
    await store.aclose()

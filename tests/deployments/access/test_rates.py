"""Rates without a service: what a refusal says of when the next request is taken is true to the millisecond."""

import pytest
from limits import parse
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from deployments.access.known_limits import KnownLimits
from deployments.access.limits import LimitReached, parse_limits, reached_today
from deployments.access.rate_storage import RateStorage, key_of
from deployments.access.request_limits import RequestLimits
from deployments.settings import Settings
from store import Store


@pytest.mark.parametrize("text", ["1/second", "20/minute", "1000/day", "7/5 minutes"])
@pytest.mark.parametrize("burst_at", [0.0, 0.4, 0.999])
async def test_a_refusal_says_when_the_next_one_is_taken(store: Store, text: str, burst_at: float) -> None:
    rate = parse(text)
    length = rate.get_expiry()
    now = length * (1000 + burst_at)
    storage = RateStorage(store.counters, clock=lambda: now)
    limiter, key = SlidingWindowCounterRateLimiter(storage), key_of("requests", "acme/ada")
    while await limiter.hit(rate, key):
        pass
    for _ in range(2 * rate.amount if rate.amount < 30 else 30):
        at = storage.admits_at(rate.key_for(key), rate.amount)
        assert at is not None
        now = at - 0.001
        assert not await limiter.hit(rate, key)
        now = at + 0.001
        assert await limiter.hit(rate, key)


async def test_a_limit_of_nothing_resets_never(store: Store) -> None:
    door = RequestLimits(KnownLimits(Settings(limits="requests=0/second, bytes=0/day"), store), store)
    for count in (door.admit, door.require_bytes):
        with pytest.raises(LimitReached) as reached:
            await count("acme/ada")
        assert reached.value.resets_at is None
    assert reached_today("tokens", "acme/ada", 0, 10**12).resets_at is None


@pytest.mark.parametrize(
    "text", ["requests=-1/second", "turns=-1", "cost=-0.01", "cost=1e3", "tokens=1.5", "cpu=1", "turns=5,turns=6"]
)
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not|twice|rate"):
        parse_limits(text)

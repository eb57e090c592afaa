"""What a job may be, and when it is tried again."""

from typing import Any

import pytest
from pydantic import BaseModel

from deployments.work.attempt import JobContext
from deployments.work.job_type import JOB_TYPES, JobTypeInvalid, job, retry_delay


class Nothing(BaseModel):
    pass


def test_the_delay_doubles_to_a_quarter_of_an_hour() -> None:
    plain = [retry_delay(attempt, lambda low, high: (low + high) / 2) for attempt in range(1, 9)]

    assert plain == [30, 60, 120, 240, 480, 900, 900, 900]
    assert retry_delay(10**9, max) == pytest.approx(900 * 1.2)
    assert retry_delay(1, min) == pytest.approx(30 * 0.8)


def test_a_decorated_function_is_a_type() -> None:
    kind = JOB_TYPES["write_at_once"]

    assert (kind.priority, kind.retries, kind.timeout, kind.is_heavy) == ("high", 3, 300.0, False)
    assert JOB_TYPES["write_heavily"].is_heavy


def test_a_plain_function_needs_resources() -> None:
    def plain(context: JobContext, nothing: Nothing) -> None: ...

    with pytest.raises(JobTypeInvalid, match=r"plain: with ray= it is a plain function, else it is async"):
        job()(plain)  # type: ignore[arg-type]


def test_a_heavy_function_is_plain() -> None:
    async def heavy(nothing: Nothing) -> None: ...

    with pytest.raises(JobTypeInvalid, match=r"heavy: with ray= it is a plain function, else it is async"):
        job(ray={"num_cpus": 1})(heavy)


def test_the_payload_is_a_model() -> None:
    async def untyped(context: JobContext, payload: dict[str, Any]) -> None: ...

    with pytest.raises(JobTypeInvalid, match=r"untyped: the type of its payload is a pydantic model"):
        job()(untyped)


def test_it_takes_a_context_and_a_payload_alone() -> None:
    async def greedy(context: JobContext, nothing: Nothing, more: int) -> None: ...

    with pytest.raises(JobTypeInvalid, match=r"greedy: it takes a JobContext and its payload, no more"):
        job()(greedy)


@pytest.mark.parametrize("wrong", [{"timeout": 0}, {"retries": -1}, {"priority": "urgent"}])
def test_options_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    async def odd(context: JobContext, nothing: Nothing) -> None: ...

    with pytest.raises(JobTypeInvalid, match=r"^odd: "):
        job(**wrong)(odd)


def test_two_functions_cannot_have_one_name() -> None:
    async def other(context: JobContext, nothing: Nothing) -> None: ...

    with pytest.raises(JobTypeInvalid, match=r"two functions are the job write_note"):
        job("write_note")(other)

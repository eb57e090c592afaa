"""The three example tools, called as an agent calls them."""

import time
from datetime import datetime, timedelta

import orjson
import pytest

from agents.examples.tools import announce, calculator, clock
from agents.tools import Tool, ToolContext, ToolOutcome, run_tool


async def call(called: Tool, **arguments: object) -> ToolOutcome:
    return await run_tool(called, arguments, ToolContext("c", "call-1"))


async def calculate(expression: str) -> ToolOutcome:
    return await call(calculator, expression=expression)


@pytest.mark.parametrize(("zone", "hours"), [("UTC", 0), ("Asia/Tokyo", 9)])
async def test_clock(zone: str, hours: int) -> None:
    outcome = await call(clock, timezone=zone)
    assert isinstance(outcome.content, str)
    told = orjson.loads(outcome.content)
    now = datetime.fromisoformat(told["time"])
    assert now.utcoffset() == timedelta(hours=hours)
    assert abs(now.timestamp() - time.time()) < 5
    assert (told["timezone"], told["weekday"]) == (zone, f"{now:%A}")


async def test_clock_without_a_zone_is_utc() -> None:
    assert '"timezone":"UTC"' in str((await call(clock)).content)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "Europe", "", "../../etc/passwd", "\0"])
async def test_clock_in_no_zone(zone: str) -> None:
    outcome = await call(clock, timezone=zone)
    assert outcome.status == "error"
    assert "Unknown time zone" in str(outcome.content)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("-2 ** 2", "-4"),
        ("2 ^ 10", "1024"),
        ("7 // 2 + 7 % 2", "4"),
        ("10 / 4", "2.5"),
        ("0.1 + 0.2", "0.3"),
        ("6 × 7 ÷ 2 − 1", "20"),
        ("10 / 2", "5"),
        ("sqrt(16) + abs(-3)", "7"),
        ("round(pi, 2)", "3.14"),
        ("max(1, 2, 3) - min(4, 5)", "-1"),
        ("1e3", "1000"),
        ("2 ** -1", "0.5"),
        ("(-1) ** 1000001", "-1"),
        ("2 ** 4000 - 2 ** 4000 + 1", "1"),
        ("1_000 * 2", "2000"),
    ],
)
async def test_calculator(expression: str, value: str) -> None:
    assert await calculate(expression) == ToolOutcome(value, "ok")


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("1 / 0", "Division by zero"),
        ("1 % 0", "Division by zero"),
        ("0 ** -1", "Division by zero"),
        ("1 +", "not an arithmetic expression"),
        ("x = 1", "not an arithmetic expression"),
        ("1 1", "not an arithmetic expression"),
        ("\0", "expression"),
        ("9 ** 9 ** 9", "too large"),
        ("10 ** 5000", "too large"),
        ("2 ** -99999999", "too large"),
        ("1e308 * 10", "not a real, finite number"),
        ("1e999", "not a real, finite number"),
        ("(-8) ** 0.5", "not a real, finite number"),
        ("sqrt(-1)", "no value"),
        ("sqrt()", "no value"),
        ("round(1, 2, 3)", "no value"),
        ("(" * 240 + "1" + ")" * 240, ""),
        ("-" * 499 + "1", ""),
        ("__import__('os').system('true')", "Not allowed"),
        ("(1).__class__", "Not allowed"),
        ("open('/etc/passwd')", "Not allowed"),
        ("[1, 2]", "Not allowed"),
        ("'a' * 9", "Not allowed"),
        ("True + 1", "Not allowed"),
        ("1 if 1 else 2", "Not allowed"),
        ("lambda: 1", "Not allowed"),
        ("max(1, key=abs)", "Not allowed"),
        ("unknown + 1", "Not allowed"),
    ],
)
async def test_calculator_refuses(expression: str, problem: str) -> None:
    started = time.monotonic()
    outcome = await calculate(expression)
    if outcome.status != "ok":
        assert "internal error" not in str(outcome.content)
        assert problem in str(outcome.content)
    else:
        assert problem == "", outcome
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("expression", ["", "1" * 501])
async def test_calculator_bounds_its_input(expression: str) -> None:
    assert "Invalid arguments" in str((await calculate(expression)).content)


async def test_announce() -> None:
    assert announce.approval == "required"
    assert await call(announce, text="Lunch!") == ToolOutcome('{"announced":"Lunch!"}', "ok")

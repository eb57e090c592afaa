"""What a call cost: tokens times the list price, in millionths of a dollar."""

from dataclasses import asdict

import pytest

from agents.examples.offline.assistant import assistant_script
from agents.models import ScriptedModel, TokenUsage
from agents.models.prices import PRICES, cost_of
from tests.support.model_requests import completed, read, request

MILLION = 1_000_000


def test_each_kind_of_token_has_its_price() -> None:
    usage = {
        "input_tokens": 1000,
        "output_tokens": 100,
        "cache_creation_input_tokens": 2000,
        "cache_read_input_tokens": 10_000,
    }
    assert cost_of("claude-sonnet-4-5", usage) == 1000 * 3 + 100 * 15 + 2000 * 3.75 + 10_000 * 0.3


@pytest.mark.parametrize(
    ("model", "dollars"),
    [
        ("claude-opus-4-1-20250805", 15),
        ("claude-opus-4-20250514", 15),
        ("claude-opus-4-0", 15),
        ("claude-opus-4-5", 5),
        ("claude-opus-4-5-20251101", 5),
        ("claude-opus-5", 5),
        ("claude-opus-5-5", 4),
        ("claude-sonnet-4-5-20250929", 3),
        ("claude-sonnet-5-5", 2),
        ("claude-3-5-haiku-20241022", 0.8),
        ("claude-haiku-4-5@20251001", 1),
    ],
)
def test_the_longest_name_counts(model: str, dollars: float) -> None:
    assert cost_of(model, {"input_tokens": MILLION}) == dollars * MILLION


@pytest.mark.parametrize(
    "model", ["", "claude", "claude-opus-6", "claude-opus-4-9", "claude-opus-42", "claude-opus-5.7", "gpt", "scripted"]
)
def test_a_model_without_a_price_costs_nothing_that_we_know_of(model: str) -> None:
    assert cost_of(model, {"input_tokens": MILLION}) is None


def test_a_long_prompt_may_cost_more_and_the_cached_part_counts() -> None:
    short = {"input_tokens": 50_000, "cache_read_input_tokens": 50_000, "output_tokens": 1000}
    assert cost_of("claude-haiku-5-5", short) == 50_000 * 0.1 + 50_000 * 0.01 + 1000 * 0.5
    longer = {**short, "input_tokens": 50_001}
    assert cost_of("claude-haiku-5-5", longer) == round(50_001 * 0.5 + 50_000 * 0.05 + 1000 * 2.5)


def test_nothing_used_costs_nothing() -> None:
    assert cost_of("claude-opus-4-5", {}) == 0
    assert cost_of("claude-opus-4-5", asdict(TokenUsage())) == 0


def test_a_cost_is_a_whole_number() -> None:
    cost = cost_of("claude-3-5-haiku-latest", {"input_tokens": 3})
    assert (cost, type(cost)) == (2, int)


@pytest.mark.parametrize("name", PRICES)
def test_reading_is_cheaper_and_writing_dearer_than_a_plain_token(name: str) -> None:
    price = PRICES[name]
    assert price.cache_read < price.input < price.cache_write < price.output


async def test_the_scripted_model_has_no_price() -> None:
    answer = completed(await read(ScriptedModel(assistant_script), request()))
    assert answer.usage.input_tokens > 0
    assert cost_of(answer.model, asdict(answer.usage)) is None

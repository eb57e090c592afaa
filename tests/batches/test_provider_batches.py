"""The provider's own batches, over HTTP: handed in once, answers in the order of the rows, at half the price."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agents.agent import Agent, Catalog
from agents.errors import ModelError
from agents.models.anthropic.model import AnthropicModel
from deployments.batches import provider_run
from deployments.batches.definition import BatchDefinition
from deployments.batches.errors import NotForProviderBatches
from deployments.settings import Settings
from tests.messages_api import MessagesServer
from tests.messages_api.reply import ErrorReply, Json, Reply
from tests.support.batches import OWNER, BatchWorld, Label, agents, batch_world


def _answer(body: Json) -> Reply | ErrorReply:
    text = body["messages"][0]["content"][0]["text"]
    if "bad" in text:
        return ErrorReply(500, "api_error")
    if "output_config" in body:
        return Reply(f'{{"label": "l", "length": {len(text)}}}')
    return Reply(f"you said {text}")


@pytest.fixture
async def world(
    settings: Settings,
    short_waits: None,
    ledger: Path,
    tmp_path: Path,
    messages_api: MessagesServer,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[BatchWorld]:
    monkeypatch.setattr(provider_run, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(provider_run, "CLOCK_SKEW_MS", 0)
    messages_api.responder = _answer
    model = AnthropicModel("claude-sonnet-4-5", api_key="test", base_url=messages_api.url, read_timeout=10.0)
    claude = Agent(name="claude", model=model, system_prompt="Be short.")
    labeller = Agent(name="claude_labels", model=model, output=Label)
    catalog = Catalog({**agents(ledger).agents, "claude": claude, "claude_labels": labeller}, default="claude")
    async with batch_world(settings, catalog, tmp_path / "out") as world:
        yield world
    await model.aclose()


async def test_answers_are_in_the_order_of_the_rows(
    world: BatchWorld, messages_api: MessagesServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"message": f"word {number}"} for number in range(1, 1006)]
    batch = await world.begin(rows, "claude", provider_batch=True)
    done = await world.until(batch.id, "done")
    results = await world.results(batch.id)
    assert [result["answer"] for result in results] == [f"you said word {number}" for number in range(1, 1006)]
    assert (done.total, done.succeeded, done.failed) == (1005, 1005, 0)
    assert [len(one.requests) for one in messages_api.batches.created] == [1000, 5]
    assert messages_api.requests == []
    one = results[0]
    full = one["input_tokens"] * 3 + one["output_tokens"] * 15
    assert one["cost_usd"] == full // 2 / 1_000_000
    assert one["conversation_id"] is None
    asked = messages_api.batches.created[0].requests[0]["params"]
    assert asked["system"][0]["text"] == "Be short."


async def test_structured_output_and_failures(world: BatchWorld) -> None:
    rows = [{"message": "abc"}, {"message": "bad"}, {"nothing": 1}]
    batch = await world.begin(rows, "claude_labels", provider_batch=True)
    done = await world.until(batch.id, "done")
    assert (done.succeeded, done.failed) == (1, 2)
    first, second, third = await world.results(batch.id)
    assert (first["output_label"], first["output_length"]) == ("l", 3)
    assert (second["status"], second["error"]) == ("failed", "api_error")
    assert third["status"] == "not_valid"


async def test_failed_rows_are_handed_in_again_and_no_others(world: BatchWorld, messages_api: MessagesServer) -> None:
    batch = await world.begin([{"message": "abc"}, {"message": "bad"}], "claude", provider_batch=True)
    done = await world.until(batch.id, "done")
    messages_api.responder = lambda _: Reply("better")
    await world.batches.retry(done)
    done = await world.until_holds(batch.id, lambda found: found.state == "done" and not found.failed)
    assert [result["answer"] for result in await world.results(batch.id)] == ["you said abc", "better"]
    assert [len(one.requests) for one in messages_api.batches.created] == [2, 1]


async def test_a_creation_whose_answer_was_lost_is_found_again(world: BatchWorld, messages_api: MessagesServer) -> None:
    messages_api.batches.loses = 1
    batch = await world.begin([{"message": "abc"}], "claude", provider_batch=True)
    await world.until(batch.id, "done")
    assert len(messages_api.batches.created) == 1
    assert [result["answer"] for result in await world.results(batch.id)] == ["you said abc"]


async def test_cancel_ends_it_at_the_provider(world: BatchWorld, messages_api: MessagesServer) -> None:
    messages_api.batches.asks = 10**6
    batch = await world.begin([{"message": "abc"}], "claude", provider_batch=True)
    await world.until_holds(batch.id, lambda _: bool(messages_api.batches.created))
    await world.batches.cancel(batch)
    await world.until(batch.id, "cancelled")
    assert messages_api.batches.created[0].is_cancelled
    assert [result["error"] for result in await world.results(batch.id)] == ["canceled"]


async def test_a_batch_that_is_cancelled_while_it_is_paused_ends_all_of_it_there_and_begins_nothing(
    world: BatchWorld, messages_api: MessagesServer
) -> None:
    messages_api.batches.asks = 10**6
    rows = [{"message": f"word {number}"} for number in range(2001)]
    batch = await world.begin(rows, "claude", provider_batch=True)
    await world.until_holds(batch.id, lambda _: len(messages_api.batches.created) == 3)
    await world.batches.pause(batch)
    paused = await world.until(batch.id, "paused")
    await world.batches.cancel(paused)
    await world.until(batch.id, "cancelled")
    assert [one.is_cancelled for one in messages_api.batches.created] == [True] * 3
    assert {result["error"] for result in await world.results(batch.id)} == {"canceled"}


@pytest.mark.parametrize("agent", ["clerk", "echo"])
async def test_only_for_a_model_and_a_prompt(world: BatchWorld, agent: str) -> None:
    file = await world.upload([{"message": "x"}])
    with pytest.raises(NotForProviderBatches):
        await world.batches.create(BatchDefinition(agent=agent, file=file, provider_batch=True), OWNER)


async def test_errors_are_those_of_models(messages_api: MessagesServer) -> None:
    model = AnthropicModel("claude-sonnet-4-5", api_key="test", base_url=messages_api.url)
    with pytest.raises(ModelError):
        await model.batches.get("msgbatch_unknown")
    await model.aclose()

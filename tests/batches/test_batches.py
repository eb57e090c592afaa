"""A batch from its rows to its results: in order, each row once, whatever happens meanwhile."""

from collections import Counter
from pathlib import Path

import pandas
import pytest

from agents.context import AgentContext
from agents.errors import UnknownAgent
from agents.receipt import Receipt
from agents.turn.inputs import Resolve, UserMessage
from deployments.batches.definition import BatchDefinition, conversation_id
from deployments.batches.errors import UnknownFile, WrongState
from deployments.batches.sources import ForbiddenUrl
from store.errors import ConversationNotFound
from tests.support.batches import OWNER, BatchWorld


def words(count: int) -> list[dict[str, str]]:
    return [{"message": f"word {number}", "key": f"k{number}"} for number in range(1, count + 1)]


async def test_results_are_in_the_order_of_the_rows(world: BatchWorld) -> None:
    batch = await world.begin(words(40), columns=["key"])
    done = await world.until(batch.id, "done")
    results = await world.results(batch.id)
    assert [result["row"] for result in results] == list(range(1, 41))
    assert {result["status"] for result in results} == {"succeeded"}
    assert results[6] == {
        "row": 7,
        "status": "succeeded",
        "answer": "you said word 7",
        "error": None,
        "error_detail": None,
        "conversation_id": conversation_id(batch.id, 7),
        "model": "scripted",
        "input_tokens": results[6]["input_tokens"],
        "output_tokens": results[6]["output_tokens"],
        "cost_usd": None,
        "input_key": "k7",
    }
    assert (done.total, done.succeeded, done.failed) == (40, 40, 0)
    assert done.input_tokens == sum(result["input_tokens"] for result in results) > 0
    assert done.output_tokens == sum(result["output_tokens"] for result in results) > 0
    meta = await world.store.registry.get(conversation_id(batch.id, 7))
    assert (meta.channel, meta.principal, meta.placement) == ("batch", OWNER, "shared")


async def test_a_template_makes_the_message_and_output_becomes_columns(world: BatchWorld) -> None:
    batch = await world.begin(
        [{"a": {"b": ["x", "yy"]}, "n": 1}, {"a": {"b": ["x", "yyyyyy"]}, "n": 2}],
        "labeller",
        template="{{ a.b.1 }}{{n}}",
    )
    await world.until(batch.id, "done")
    table = pandas.read_parquet(world.batches.files.results(batch.id) + "/results.parquet")
    assert table["output_label"].tolist() == ["short", "long"]
    assert table["output_length"].tolist() == [3, 7]


async def test_bad_rows_are_reported_and_the_others_go_on(world: BatchWorld) -> None:
    batch = await world.begin([b'{"message": "a"}', b"{", b'{"other": 1}', b'{"message": " "}', b'{"message": "b"}'])
    done = await world.until(batch.id, "done")
    assert (done.total, done.succeeded, done.failed) == (5, 2, 3)
    results = await world.results(batch.id)
    assert [result["status"] for result in results] == [
        "succeeded",
        "not_valid",
        "not_valid",
        "not_valid",
        "succeeded",
    ]
    assert results[2]["error_detail"] == "it has no text `message`, and there is no template"


async def test_an_empty_file_is_done_at_once(world: BatchWorld) -> None:
    batch = await world.begin([])
    done = await world.until(batch.id, "done")
    assert done.total == 0
    assert await world.results(batch.id) == []


async def test_what_cannot_be_read_fails_with_a_sentence(world: BatchWorld) -> None:
    batch = await world.begin(["text".encode("utf-16")])
    failed = await world.until(batch.id, "failed")
    assert failed.error == "it is UTF-16 or UTF-32: save it as UTF-8"


async def test_each_row_has_its_effect_once(world: BatchWorld, ledger: Path) -> None:
    batch = await world.begin(words(30), "clerk")
    await world.until(batch.id, "done")
    assert Counter(ledger.read_text().splitlines()) == {f"word {number}": 1 for number in range(1, 31)}


async def test_a_question_waits_and_holds_up_nothing(world: BatchWorld) -> None:
    rows = [{"message": "ask 1"}, {"message": "ask 2"}, *words(10)]
    batch = await world.begin(rows, "asker", concurrency=1)
    waiting = await world.until(batch.id, "waiting")
    assert (waiting.succeeded, waiting.failed) == (10, 0)
    assert await world.store.batches.waiting(batch.id) == {1, 2}
    for row in (1, 2):
        conversation = await world.door.reach(conversation_id(batch.id, row))
        (call,) = conversation.inspect().pending
        await world.door.resolve(
            conversation_id(batch.id, row),
            Resolve(tool_call_id=call, decision="approve", principal=OWNER, standing=("owner",)),
            AgentContext(principal=OWNER),
        )
    done = await world.until(batch.id, "done")
    assert (done.succeeded, done.failed) == (12, 0)


async def test_pause_and_resume(world: BatchWorld, ledger: Path) -> None:
    batch = await world.begin(words(60), "clerk", concurrency=2)
    await world.until_holds(batch.id, lambda found: found.succeeded > 5)
    await world.batches.pause(batch)
    paused = await world.until(batch.id, "paused")
    assert paused.finished < 60
    await world.batches.resume(paused)
    done = await world.until(batch.id, "done")
    assert done.succeeded == 60
    assert Counter(ledger.read_text().splitlines()) == {f"word {number}": 1 for number in range(1, 61)}


async def test_cancel_keeps_what_is_finished(world: BatchWorld) -> None:
    batch = await world.begin(words(200), concurrency=2)
    await world.until_holds(batch.id, lambda found: found.succeeded > 5)
    await world.batches.cancel(batch)
    over = await world.until(batch.id, "cancelled")
    results = await world.results(batch.id)
    assert len(results) == 200
    assert Counter(result["status"] for result in results)["succeeded"] == over.succeeded < 200
    with pytest.raises(WrongState):
        await world.batches.resume(over)


async def test_a_batch_that_is_paused_can_be_cancelled(world: BatchWorld) -> None:
    batch = await world.begin(words(100), concurrency=1)
    await world.until_holds(batch.id, lambda found: found.succeeded > 0)
    await world.batches.pause(batch)
    await world.batches.cancel(await world.until(batch.id, "paused"))
    await world.until(batch.id, "cancelled")


@pytest.mark.parametrize("then", ["archive", "delete"])
async def test_conversations_are_archived_or_deleted_in_the_end(world: BatchWorld, then: str) -> None:
    batch = await world.begin(words(5), conversations=then)
    await world.until(batch.id, "done")
    name = conversation_id(batch.id, 3)
    if then == "archive":
        assert (await world.store.registry.get(name)).archived_at is not None
    else:
        with pytest.raises(ConversationNotFound):
            await world.store.registry.get(name)
    assert (await world.results(batch.id))[2]["answer"] == "you said word 3"


async def test_what_may_not_be_asked_for(world: BatchWorld) -> None:
    file = await world.upload(words(1))
    with pytest.raises(UnknownAgent):
        await world.batches.create(BatchDefinition(agent="nothing", file=file), OWNER)
    with pytest.raises(UnknownFile):
        await world.batches.create(BatchDefinition(agent="echo", file=file), "acme/eve")
    with pytest.raises(ForbiddenUrl):
        await world.batches.create(BatchDefinition(agent="echo", source="/etc/passwd"), OWNER)
    with pytest.raises(ForbiddenUrl):
        await world.batches.create(BatchDefinition(agent="echo", file=file, out="s3://bucket/x"), OWNER)


async def test_rows_that_failed_are_begun_anew_and_no_others(world: BatchWorld) -> None:
    world.fails.add("word 3")
    batch = await world.begin([*words(6), {"nothing": 1}])
    done = await world.until(batch.id, "done")
    assert (done.succeeded, done.failed) == (5, 2)
    assert (await world.store.batches.failures(batch.id))[3] == "invalid_request"
    world.fails.clear()
    await world.batches.retry(done)
    again = await world.until_holds(batch.id, lambda found: found.state == "done" and found.failed == 1)
    assert again.succeeded == 6
    results = await world.results(batch.id)
    assert results[2]["conversation_id"] == conversation_id(batch.id, 3, 1)
    assert [result["status"] for result in results] == ["succeeded"] * 6 + ["not_valid"]


async def test_a_provider_that_is_overloaded_gets_the_row_again_later(world: BatchWorld) -> None:
    world.overloaded["word 2"] = 2
    batch = await world.begin(words(4))
    done = await world.until(batch.id, "done")
    assert (done.succeeded, done.failed) == (4, 0)
    assert (await world.results(batch.id))[1]["conversation_id"] == conversation_id(batch.id, 2, 2)


async def test_many_failures_in_a_row_pause_it(world: BatchWorld) -> None:
    world.fails.update(f"word {number}" for number in range(1, 200))
    batch = await world.begin(words(100), pause_after=10, concurrency=4)
    paused = await world.until(batch.id, "paused")
    assert paused.error.endswith("rows in a row failed")
    assert paused.failed < 100


async def test_a_schedule_may_submit_a_batch_as_a_job(world: BatchWorld) -> None:
    file = await world.upload(words(2))
    payload = {"definition": {"agent": "echo", "file": file}}
    job_id = await world.jobs.submit("run_batch", payload, owner=OWNER)
    done = await world.until(job_id, "done")
    assert done.succeeded == 2


async def test_rows_at_a_place_that_the_operator_allows(world: BatchWorld, tmp_path: Path) -> None:
    place = tmp_path / "allowed"
    place.mkdir()
    (place / "rows.jsonl").write_bytes(b'{"message": "a"}\n')
    definition = BatchDefinition(agent="echo", source=f"{place}/rows.jsonl", out=f"{place}/out")
    batch = await world.batches.create(definition, OWNER)
    await world.until(batch.id, "done")
    assert pandas.read_json(place / "out/results.jsonl", lines=True)["answer"].tolist() == ["you said a"]
    for source in (f"{place}/../secret", f"{place}-other/rows", f"{place}/%2e%2e/secret", "s3://oursecret/x"):
        with pytest.raises(ForbiddenUrl):
            await world.batches.create(BatchDefinition(agent="echo", source=source), OWNER)


async def test_only_our_own_old_files_are_removed(world: BatchWorld, tmp_path: Path) -> None:
    batch = await world.begin(words(2))
    await world.until(batch.id, "done")
    foreign = [tmp_path / "kept/data.csv", tmp_path / "kept/team/rows.csv", tmp_path / "kept/uploads/x"]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("not ours")
    await world.batches.files.remove_older(-1)  # all are older than tomorrow
    left = {path for path in (tmp_path / "kept").rglob("*") if path.is_file()}
    assert left == set(foreign)


async def test_a_row_that_cannot_be_sent_leaves_no_batch_done_without_it(
    world: BatchWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, failures = world.door.send, iter([OSError("broken")] * 2)

    async def break_twice(conversation_id: str, message: UserMessage, context: AgentContext) -> Receipt:
        if conversation_id.endswith("-3") and (error := next(failures, None)) is not None:
            raise error
        return await send(conversation_id, message, context)

    monkeypatch.setattr(world.door, "send", break_twice)
    batch = await world.begin(words(10))
    done = await world.until(batch.id, "done")
    assert (done.succeeded, done.failed) == (10, 0)

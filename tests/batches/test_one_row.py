"""One row of a batch is looked up at any time: as it goes on, waits, and ends, and when its conversation is gone."""

from typing import Any

from deployments.batches.definition import BatchDefinition
from deployments.batches.results import Results
from store.registries.batches import BatchRecord
from tests.support.api import eventually
from tests.support.batches import BatchWorld


async def look_up(world: BatchWorld, batch: BatchRecord, row: int) -> dict[str, Any]:
    definition = BatchDefinition.model_validate_json(batch.definition)
    return await Results(world.store, world.batches.files, batch.id, definition, None).of_row(row)


async def test_a_row_that_waits_for_people_says_so(world: BatchWorld) -> None:
    batch = await world.begin([{"message": "ask"}], "asker")
    await world.until(batch.id, "waiting")

    async def waits() -> dict[str, Any] | None:
        found = await look_up(world, batch, 1)
        return found if found["status"] == "waiting" else None

    assert (await eventually(waits))["conversation_id"] == f"batch-{batch.id}-1"


async def test_a_row_is_known_when_its_conversation_has_been_deleted(world: BatchWorld) -> None:
    batch = await world.begin([{"message": "a"}, {"message": "b"}], conversations="delete")
    await world.until(batch.id, "done")
    second = await look_up(world, batch, 2)
    assert second == (await world.results(batch.id))[1]
    assert second["answer"] == "you said b"


async def test_a_row_that_was_begun_anew_is_that_of_its_newest_round(world: BatchWorld) -> None:
    world.fails.add("a")
    batch = await world.begin([{"message": "a"}])
    done = await world.until(batch.id, "done")
    assert (await look_up(world, batch, 1))["status"] == "failed"
    world.fails.clear()
    await world.batches.retry(done)
    await world.until_holds(batch.id, lambda found: found.state == "done" and found.succeeded == 1)
    found = await look_up(world, batch, 1)
    assert (found["status"], found["conversation_id"]) == ("succeeded", f"batch-{batch.id}-1-1")

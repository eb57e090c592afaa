"""What runs, how it went, and who is told: on a real store and real conversations."""

import pytest

from agents.agent import Agent
from agents.clock import now_ms
from agents.errors import ModelError
from agents.middleware.human_in_the_loop import HumanInTheLoop
from agents.models import Call, Step
from agents.tools import tool
from agents.turn.events import UserMsg
from agents.turn.inputs import Resolve
from deployments.batches.client import new_batch
from deployments.batches.definition import RunBatch
from deployments.schedules.outcomes import job_id_of
from tests.schedules.conftest import HOUR, MINUTE, MONDAY, OWNER, Office, agent
from tests.support.conversations import rest, say, until
from tests.support.feed import all_told

TEN = 10 * MINUTE
HANGS = Step("Well", hangs="after")


async def test_a_run_is_a_conversation_of_its_own_and_its_result_is_kept(office: Office) -> None:
    schedule = await office.add(
        prompt="Report of {{date}}, {{time}} in {{zone}}.", cron="30 9 * * *", zone="Asia/Kolkata"
    )
    due = MONDAY + 18 * HOUR  # 09:30 in Kolkata is 04:00 UTC
    await office.look(due - 1)
    assert await office.runs(schedule) == []
    await office.look(due)
    (run,) = await office.runs(schedule)
    meta = await office.world.store.registry.get(f"scheduled.{schedule.id}.{due}")
    assert (meta.principal, meta.channel, meta.agent) == (OWNER, "scheduled", "reporter")
    assert meta.title == "Report · 2026-03-31T04:00:00Z"
    assert (run.state, run.conversation, run.due_at) == ("running", meta.id, due)

    await office.finish(schedule)

    (over,) = await office.history(schedule)
    assert (over.state, over.result, over.turn, over.error) == ("succeeded", "Nothing new.", 1, None)
    assert over.usage["output_tokens"] > 0
    first = (await office.world.events(meta.id))[0]
    assert isinstance(first, UserMsg)
    assert first.content[0]["text"] == "Report of 2026-03-31, 09:30 in Asia/Kolkata."
    assert (first.origin, first.principal) == ("schedule", OWNER)
    assert [entry.type for entry in await office.told()] == [
        "schedule_changed",
        "schedule_run_started",
        "schedule_run_ended",
    ]


async def test_runs_may_be_messages_to_one_standing_conversation(office: Office) -> None:
    await office.world.create(agent("One."), "standing")
    schedule = await office.add(conversation="standing")
    for number in (1, 2):
        await office.look(MONDAY + number * TEN)
        await office.finish(schedule)
    assert [(run.conversation, run.turn, run.state) for run in await office.history(schedule)] == [
        ("standing", 1, "succeeded"),
        ("standing", 2, "succeeded"),
    ]
    said = [event for event in await office.world.events("standing") if isinstance(event, UserMsg)]
    assert [event.client_id for event in said] == [
        f"schedule:{schedule.id}:{MONDAY + number * TEN}" for number in (1, 2)
    ]


async def test_what_is_due_waits_while_a_person_talks(office: Office) -> None:
    """People may be refused while a turn runs; what is due is queued."""
    await office.use(agent(HANGS, "Two."))
    await office.world.create(office.catalog.get("reporter"), "standing")
    person = await office.world.open(office.catalog.get("reporter"), "standing")
    await say(person)
    await until(lambda: person.inspect().state == "streaming")
    schedule = await office.add(conversation="standing")
    await office.look(MONDAY + TEN)
    (run,) = await office.runs(schedule)
    assert (run.state, run.turn) == ("running", 2)
    await person.cancel(OWNER)
    await office.finish(schedule)
    assert [(one.state, one.result) for one in await office.history(schedule)] == [("succeeded", "Two.")]


async def test_the_older_run_is_cancelled_for_the_newer_one(office: Office) -> None:
    await office.use(agent(HANGS))
    schedule = await office.add(overlap="cancel", max_failures=1)
    await office.look(MONDAY + TEN)
    await office.look(MONDAY + 2 * TEN)
    older = office.world.doors.live[f"scheduled.{schedule.id}.{MONDAY + TEN}"]
    assert await rest(older) == "idle"
    await office.look(MONDAY + 2 * TEN + MINUTE)
    (over,) = await office.history(schedule)
    assert (over.due_at, over.state, over.is_superseded) == (MONDAY + TEN, "cancelled", True)
    (newer,) = await office.runs(schedule)
    assert (newer.due_at, newer.state) == (MONDAY + 2 * TEN, "running")


async def test_after_failures_in_a_row_it_pauses_itself_and_says_so(office: Office) -> None:
    await office.use(agent(Step(failure=ModelError("overloaded", "The provider is overloaded."))))
    schedule = await office.add(max_failures=2)
    for number in (1, 2, 3, 4):
        await office.look(MONDAY + number * TEN)
        await office.finish(schedule)
    now_read = await office.client.get(schedule.id)
    assert (now_read.state.paused, now_read.state.failures) == ("failures", 2)
    history = await office.history(schedule)
    assert [(run.state, bool(run.error)) for run in history] == [("failed", True)] * 2
    (paused,) = [entry for entry in await office.told() if entry.type == "schedule_paused"]
    assert (paused.owner, paused.conversation_id, paused.data["failures"]) == (OWNER, schedule.id, 2)

    await office.use(agent("Well again."))
    office.clock.now = MONDAY + 10 * TEN + 1
    await office.client.resume(schedule.id, OWNER)
    await office.look(MONDAY + 11 * TEN)
    await office.finish(schedule)
    assert [run.state for run in await office.history(schedule)] == ["failed", "failed", "succeeded"]
    assert (await office.client.get(schedule.id)).state.failures == 0


@tool
async def publish(text: str) -> str:
    """Publish it."""
    return "published"


async def test_a_run_that_meets_an_approval_waits_and_its_owner_is_told(office: Office) -> None:
    asking = Agent(
        name="reporter",
        model=agent(Step(calls=[Call("publish", {"text": "x"})]), "Published.").model,
        tools=[publish],
        middleware=[HumanInTheLoop({"publish": True})],
    )
    await office.use(asking)
    schedule = await office.add()
    await office.look(MONDAY + TEN)
    await office.finish(schedule)
    (run,) = await office.runs(schedule)
    assert run.state == "awaiting_input"
    (asked,) = [entry for entry in await all_told(office.world.store) if entry.type == "question_asked"]
    assert (asked.owner, asked.conversation_id) == (OWNER, run.conversation)
    await office.look(MONDAY + 3 * TEN)
    assert [one.id for one in await office.runs(schedule)] == [run.id], "it holds up the next ones, and is not given up"
    conversation = office.world.doors.live[str(run.conversation)]
    (call,) = conversation.inspect().pending
    await conversation.resolve(
        Resolve(tool_call_id=call, decision="approve", principal=OWNER, standing=("owner", "members"))
    )
    await office.finish(schedule)
    (over,) = await office.history(schedule)
    assert (over.state, over.result) == ("succeeded", "Published.")


@pytest.mark.parametrize(
    ("answer", "fields", "token", "quiet"),
    [
        ("NOTHING", {"quiet": "NOTHING"}, None, True),
        (" NOTHING\n", {}, "NOTHING", True),
        ("NOTHING, but one thing", {"quiet": "NOTHING"}, None, False),
        ("NOTHING", {}, None, False),
        ("OTHER", {"quiet": "OTHER"}, "NOTHING", True),
    ],
)
async def test_exactly_the_quiet_token_is_no_news(
    office: Office, answer: str, fields: dict[str, str], token: str | None, quiet: bool
) -> None:
    await office.use(agent(answer, quiet_token=token))
    schedule = await office.add(**fields)
    await office.look(MONDAY + TEN)
    await office.finish(schedule)
    (over,) = await office.history(schedule)
    assert (over.state, over.quiet) == ("succeeded", quiet)
    (ended,) = [entry for entry in await office.told() if entry.type == "schedule_run_ended"]
    assert ended.data["quiet"] is quiet


async def test_a_person_runs_it_now_also_while_it_is_paused(office: Office) -> None:
    schedule = await office.add()
    await office.client.pause(schedule.id, OWNER)
    run = await office.client.run_now(schedule.id, "click")
    assert (await office.client.run_now(schedule.id, "click")).id == run.id
    await office.look(MONDAY + 5)
    await office.finish(schedule)
    (over,) = await office.history(schedule)
    assert (over.id, over.cause, over.state, over.due_at) == (run.id, "person", "succeeded", MONDAY)
    assert (await office.client.run_now(schedule.id, "click")).state == "succeeded"
    await office.look(MONDAY + 3 * TEN)
    assert len(await office.history(schedule)) == 1, "nothing is due while it is paused"


async def test_a_run_is_cancelled(office: Office) -> None:
    await office.use(agent(HANGS))
    schedule = await office.add()
    early = await office.client.run_now(schedule.id)
    assert (await office.client.cancel_run(schedule.id, early.id)) is not None
    await office.look(MONDAY + TEN)
    (run,) = await office.runs(schedule)
    await office.client.cancel_run(schedule.id, run.id)
    await office.look()
    await office.finish(schedule)
    assert [(one.id, one.state) for one in await office.history(schedule)] == [
        (early.id, "cancelled"),
        (run.id, "cancelled"),
    ]
    assert (await office.client.get(schedule.id)).state.failures == 0


async def test_a_job_is_submitted_once_and_its_outcome_is_the_runs(office: Office) -> None:
    schedule = await office.add(
        job="write_note", payload={"ledger": "/tmp/{{due.date}}", "text": "{{due.datetime}}"}, overlap="allow"
    )
    await office.look(MONDAY + TEN)
    (run,) = await office.runs(schedule)
    job = await office.world.store.jobs.get(job_id_of(schedule, run))
    assert job is not None
    assert (job.id, job.owner, job.type) == (run.job, OWNER, "write_note")
    assert job.payload == b'{"ledger":"/tmp/2026-03-30","text":"2026-03-30T10:10:00+00:00","mood":"","seconds":0.0}'
    assert await office.world.store.jobs.begin(job.id, "claim", now_ms()) is not None
    result = b'{"lines":1,"usage":{"output_tokens":3},"cost":70}'
    await office.world.store.jobs.end(job.id, "claim", "succeeded", now_ms(), kept_ms=60_000, fields={"result": result})
    await office.look(MONDAY + TEN + MINUTE)
    (over,) = await office.history(schedule)
    assert (over.state, over.usage, over.cost) == ("succeeded", {"output_tokens": 3}, 70)

    await office.look(MONDAY + 2 * TEN)
    (second,) = await office.runs(schedule)
    await office.client.cancel_run(schedule.id, second.id)
    await office.look()
    await office.look(MONDAY + 2 * TEN + MINUTE)
    assert [one.state for one in await office.history(schedule)] == ["succeeded", "cancelled"]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"agent": "gone"}, "no agent is named 'gone'"),
        ({"conversation": "none"}, "there is no conversation none that its owner may write to"),
        ({"model": "none"}, "none"),
        ({"job": "unknown", "payload": {}}, "unknown"),
        ({"job": "write_note", "payload": {}}, "its payload is not valid: 1 problems"),
    ],
)
async def test_what_can_never_run_fails_with_a_sentence(office: Office, fields: dict[str, object], error: str) -> None:
    schedule = await office.add(**fields)
    await office.look(MONDAY + TEN)
    (over,) = await office.history(schedule)
    assert over.state == "failed"
    assert error in str(over.error)


async def test_a_deleted_conversation_ends_its_run_and_a_deleted_schedule_nothing(office: Office) -> None:
    await office.use(agent(HANGS))
    schedule = await office.add()
    await office.look(MONDAY + TEN)
    (run,) = await office.runs(schedule)
    conversation = office.world.doors.live.pop(str(run.conversation))
    conversation.abandon()
    await office.world.store.registry.delete(conversation.id)
    await office.look(MONDAY + TEN + MINUTE)
    (over,) = await office.history(schedule)
    assert (over.state, over.error) == ("cancelled", "its conversation has been deleted")
    await office.client.delete(schedule.id, OWNER)
    await office.look(MONDAY + 2 * TEN)
    assert await office.world.store.schedules.due(2**53, 0, 10) == ([], None)


async def test_a_batch_is_a_run_until_it_is_over(office: Office) -> None:
    """The job that begins it may end long before, as while the batch waits for people."""
    definition = {
        "agent": "reporter",
        "source": "s3://ours/{{due.date}}.jsonl",
        "template": "Sum up {{date}}: {{name}}",
    }
    schedule = await office.add(job="run_batch", payload={"definition": definition})
    await office.look(MONDAY + TEN)
    (run,) = await office.runs(schedule)
    job = await office.world.store.jobs.get(str(run.job))
    assert job is not None
    wanted = RunBatch.model_validate_json(job.payload).definition
    assert wanted is not None
    assert wanted.source == "s3://ours/2026-03-30.jsonl"
    assert wanted.template == "Sum up {{date}}: {{name}}", "those are fields of a row"
    await office.world.store.batches.add(new_batch(job.id, OWNER, wanted))
    await office.world.store.jobs.begin(job.id, "claim", now_ms())
    await office.world.store.jobs.end(job.id, "claim", "succeeded", now_ms(), kept_ms=60_000)
    change = office.world.store.batches.change
    await change(job.id, ("queued",), {"state": "waiting"})
    await office.look(MONDAY + TEN + MINUTE)
    assert [one.state for one in await office.runs(schedule)] == ["awaiting_input"]

    await change(job.id, ("waiting",), {"state": "done", "output_tokens": 7, "cost": 90, "succeeded": 2})
    await office.look(MONDAY + TEN + 5 * MINUTE)
    (over,) = await office.history(schedule)
    assert (over.state, over.usage["output_tokens"], over.cost) == ("succeeded", 7, 90)
    assert over.result == "2 rows succeeded, 0 failed"

"""Summaries: written in the background, of whole turns up to a quiescent point, or not at all."""

from typing import Any

import pytest

from agents.agent import Agent
from agents.errors import AgentDefinitionError, ModelError
from agents.examples.offline.assistant import assistant_script
from agents.middleware.compaction import Compaction
from agents.models import ScriptedModel, Step
from agents.turn.events import Summary, TurnEnded
from agents.turn.inputs import Resolve
from tests.messages_api.rules import check_request
from tests.support.compaction import LookingModel, agent_of, looking_tool, say_each, shape
from tests.support.conversations import World, rest, say, until

LONG = "x" * 1950
"""A message with this text and the answer, which repeats it, are a turn of about 1000 tokens."""


async def summaries(world: World) -> list[Summary]:
    """The summaries in the log."""
    return [event for event in await world.events() if isinstance(event, Summary)]


async def wait_for_summary(conversation: Any, through: int) -> None:
    """Wait until the summary of the turns up to `through` is logged."""
    await until(lambda: conversation.history.summary and conversation.history.summary.through_turn == through)


async def test_the_oldest_turns_become_a_section_after_the_system_prompt(world: World) -> None:
    model = LookingModel()
    conversation = await world.start(agent_of(model, summary=2500, keep_turns=2))

    await say_each(conversation, f"one {LONG}", "look 1", f"three {LONG}", "look 1x2")
    await wait_for_summary(conversation, 2)
    await say_each(conversation, "five")

    assert model.last.system == "Be brief.\n\n# Summary of the conversation so far\n\nsummary 1"
    assert shape(model.last.messages) == [
        f"user: three {LONG}",
        f"assistant: you said three {LONG}",
        "user: look 1x2",
        "assistant: call 0.0, call 0.1",
        "user: result 0.0, result 0.1",
        "assistant: looked 1 times",
        "user: five",
    ]
    [made] = await summaries(world)
    assert (made.text, made.through_turn) == ("summary 1", 2)
    ends = [entry.seq for entry in await world.log() if isinstance(entry.event, TurnEnded)]
    assert made.after == ends[1]


async def test_the_summariser_gets_messages_calls_and_results(world: World) -> None:
    model = LookingModel()
    conversation = await world.start(agent_of(model, looking_tool(100), summary=2000, keep_turns=1))

    await say_each(conversation, "look 1", f"two {LONG}", f"three {LONG}")
    await wait_for_summary(conversation, 2)

    assert model.summary_prompts[0] == "\n\n".join(
        [
            "<transcript>\nUser: look 1",
            'Assistant calls look: {"step":0,"number":0}',
            f"Result of look (ok): {'0.0 '.ljust(100, 'x')}",
            "Assistant: looked 1 times",
            f"User: two {LONG}",
            f"Assistant: you said two {LONG}\n</transcript>",
            "Write the new summary, of at most 2730 words.",
        ]
    )


async def test_the_next_summary_gets_the_previous_one(world: World) -> None:
    model = LookingModel()
    conversation = await world.start(agent_of(model, summary=2500, keep_turns=1))

    await say_each(conversation, *(f"{number} {LONG}" for number in range(1, 4)))
    await wait_for_summary(conversation, 2)
    await say_each(conversation, *(f"{number} {LONG}" for number in range(4, 6)))
    await wait_for_summary(conversation, 4)

    assert model.summary_prompts[1].startswith("<summary>\nsummary 1\n</summary>\n\n<transcript>\nUser: 3 x")
    assert "User: 2 x" not in model.summary_prompts[1]
    assert [made.through_turn for made in await summaries(world)] == [2, 4]
    await say_each(conversation, "six")
    assert model.last.system.endswith("\n\nsummary 2")
    assert "summary 1" not in model.last.system


async def test_another_model_may_write_it(world: World) -> None:
    model, writer = LookingModel(), LookingModel([Step("the other one's words")])
    conversation = await world.start(agent_of(model, summariser=writer, summary=2500, keep_turns=1))

    await say_each(conversation, f"one {LONG}", f"two {LONG}", f"three {LONG}")
    await wait_for_summary(conversation, 2)

    assert (len(model.summary_prompts), len(writer.summary_prompts)) == (0, 1)
    assert conversation.history.summary.text == "the other one's words"


@pytest.mark.parametrize(
    "failure",
    [
        Step(failure=ModelError("overloaded", "Too much to do.")),
        Step("half of it", failure=ModelError("stream_broken", "It broke off."), fails="after"),
        Step(""),
        Step("  \n "),
        Step(thinking="I think, but say nothing"),
        Step("a summary that ends in the mid", stop_reason="max_tokens"),
        Step("I would rather not.", stop_reason="refusal"),
    ],
    ids=["fails", "breaks off", "empty", "blank", "only thinks", "is cut off", "refuses"],
)
async def test_after_a_failure_everything_is_kept_and_the_next_turn_tries_again(world: World, failure: Step) -> None:
    model = LookingModel([failure])
    conversation = await world.start(agent_of(model, summary=2500, keep_turns=1))

    await say_each(conversation, f"one {LONG}", f"two {LONG}", f"three {LONG}")
    await until(lambda: len(model.summary_prompts) == 1)
    assert await summaries(world) == []
    await say_each(conversation, "four")
    assert shape(model.last.messages)[:2] == [f"user: one {LONG}", f"assistant: you said one {LONG}"]
    assert model.last.system == "Be brief."

    await wait_for_summary(conversation, 3)
    assert conversation.history.summary.text == "summary 2"
    assert model.summary_prompts[1].startswith(f"<transcript>\nUser: one {LONG}")


async def test_a_summariser_that_always_fails_is_paid_for_less_and_less_often(world: World) -> None:
    model = LookingModel([Step("no", stop_reason="refusal")] * 50)
    conversation = await world.start(agent_of(model, summary=2500, keep_turns=1))
    tries: list[int] = []
    for turn in range(1, 13):
        before = len(model.summary_prompts)
        await say_each(conversation, f"{turn} {LONG}")
        await until(lambda: not conversation._driver.runtime._background)
        if len(model.summary_prompts) > before:
            tries.append(turn)
    first = tries[0]
    assert tries == [first, first + 1, first + 3, first + 7]


async def test_one_summary_at_a_time_and_the_conversation_goes_on_meanwhile(world: World) -> None:
    model, writer = LookingModel(), LookingModel([Step("at last")], permits=0)
    conversation = await world.start(agent_of(model, summariser=writer, summary=2500, keep_turns=1))

    await say_each(conversation, *(f"{number} {LONG}" for number in range(1, 7)))
    assert len(model.last.messages) == 11
    assert writer.summary_prompts == []
    assert await summaries(world) == []

    writer.permit()
    await wait_for_summary(conversation, 2)
    assert len(writer.summary_prompts) == 1
    await say_each(conversation, "and now?")
    assert model.last.system.endswith("at last")
    assert shape(model.last.messages)[0] == f"user: 3 {LONG}"


async def test_a_summary_may_come_in_the_middle_of_a_turn(world: World) -> None:
    model, writer = LookingModel(permits=12), LookingModel(permits=0)
    conversation = await world.start(agent_of(model, summariser=writer, summary=2000, keep_turns=1))
    await say_each(conversation, f"one {LONG}", f"two {LONG}")

    await say(conversation, "look 20")
    await until(lambda: len(model.requests) == 12)
    writer.permit()
    await wait_for_summary(conversation, 1)
    for _ in range(20):
        model.permit()
    assert await rest(conversation) == "idle"

    assert [shape(model.requests[number].messages)[0] for number in (2, 11, -1)] == [
        f"user: one {LONG}",
        f"user: one {LONG}",
        f"user: two {LONG}",
    ]
    assert len(model.last.messages) == 2 + 1 + 2 * 20
    for request in model.requests:
        check_request({"model": "m", "max_tokens": 1, "messages": list(request.messages)})


async def test_a_summary_comes_while_people_are_asked(world: World) -> None:
    model, writer = LookingModel(), LookingModel(permits=0)
    gated = looking_tool(approval="required")
    conversation = await world.start(agent_of(model, gated, summariser=writer, summary=2000, keep_turns=1))
    await say_each(conversation, f"one {LONG}", f"two {LONG}")
    await say(conversation, "look 1")
    assert await rest(conversation) == "awaiting_input"

    writer.permit()
    await wait_for_summary(conversation, 1)
    assert conversation.inspect().state == "awaiting_input"
    [waiting] = conversation.inspect().pending
    await conversation.resolve(Resolve(tool_call_id=waiting, decision="approve", principal="ada"))

    assert await rest(conversation) == "idle"
    assert shape(model.last.messages) == [
        f"user: two {LONG}",
        f"assistant: you said two {LONG}",
        "user: look 1",
        "assistant: call 0.0",
        "user: result 0.0",
    ]
    assert model.last.system.endswith("summary 1")


async def test_an_answer_to_the_context_before_the_summary_starts_no_other_summary(world: World) -> None:
    model, writer = LookingModel(permits=3), LookingModel(permits=0)
    conversation = await world.start(agent_of(model, summariser=writer, summary=2500, keep_turns=1))
    await say_each(conversation, *(f"{number} {LONG}" for number in ("one", "two", "three")))
    await say(conversation, "four")
    await until(lambda: model.begun == 4)

    writer.permit()
    await wait_for_summary(conversation, 2)
    for _ in range(2):
        model.permit()
        writer.permit()
    assert await rest(conversation) == "idle"
    await say_each(conversation, "five")

    assert writer.begun == 1
    assert shape(model.last.messages)[0] == f"user: three {LONG}"


async def test_the_last_turns_are_kept_word_for_word(world: World) -> None:
    model = LookingModel()
    conversation = await world.start(agent_of(model, summary=2500, keep_turns=4))

    await say_each(conversation, *(f"{number} {LONG}" for number in range(1, 5)))
    assert model.summary_prompts == []
    await say_each(conversation, f"5 {LONG}")
    await wait_for_summary(conversation, 1)
    await say_each(conversation, "6")

    users = [line for line in shape(model.last.messages) if line.startswith("user")]
    assert users == [*(f"user: {number} {LONG}" for number in range(2, 6)), "user: 6"]


async def test_without_a_quiescent_point_nothing_is_summarised(world: World) -> None:
    """A message waits at the end of every turn, so that something is always running."""
    model, writer = LookingModel(permits=0), LookingModel()
    conversation = await world.start(agent_of(model, summariser=writer, summary=2000, keep_turns=1))

    await say(conversation, f"1 {LONG}")
    for number in range(2, 7):
        await say(conversation, f"{number} {LONG}", on_busy="queue")
        model.permit()
        await until(lambda turn=number: conversation.inspect().turn == turn)
    assert conversation.history.quiescent_points == []
    assert writer.summary_prompts == []

    for _ in range(2):
        model.permit()
    assert await rest(conversation) == "idle"
    await say_each(conversation, "at rest")
    await wait_for_summary(conversation, 6)


async def test_a_new_incarnation_goes_on_from_the_summary(world: World) -> None:
    model = LookingModel()
    agent = agent_of(model, summary=2300, keep_turns=1)
    conversation = await world.start(agent)
    await say_each(conversation, f"one {LONG}", f"two {LONG}", "look 1")
    await wait_for_summary(conversation, 2)
    await world.crash(conversation)

    reopened = await world.open(agent)
    assert {event.turn for event in reopened.history.events} == {3}
    await say_each(reopened, "four")

    assert model.last.system.endswith("summary 1")
    assert shape(model.last.messages) == [
        "user: look 1",
        "assistant: call 0.0",
        "user: result 0.0",
        "assistant: looked 1 times",
        "user: four",
    ]


async def test_an_incarnation_that_dies_while_summarising_leaves_the_turns_to_the_next(world: World) -> None:
    model = LookingModel([Step(hangs="before")])
    agent = agent_of(model, summary=2500, keep_turns=1)
    conversation = await world.start(agent)
    await say_each(conversation, f"one {LONG}", f"two {LONG}", f"three {LONG}")
    await until(lambda: len(model.summary_prompts) == 1)
    await world.crash(conversation)
    assert await summaries(world) == []

    reopened = await world.open(agent)
    await say_each(reopened, "four")
    await wait_for_summary(reopened, 3)
    assert shape(model.last.messages)[0] == f"user: one {LONG}"


async def test_long_results_are_given_in_excerpts(world: World) -> None:
    model = LookingModel()
    conversation = await world.start(agent_of(model, looking_tool(40_000), summary=2_000, window=1_000, keep_turns=1))

    await say_each(conversation, "look 1", "two")
    await wait_for_summary(conversation, 1)

    [given] = model.summary_prompts
    assert "Result of look (ok): 0.0 xxx" in given
    assert "characters …] xxx" in given
    assert len(given) < 6_000


async def test_more_than_a_summariser_can_read_is_summarised_in_parts(world: World) -> None:
    model = LookingModel()
    agent = agent_of(model, keep_turns=1)
    conversation = await world.start(agent)
    await say_each(conversation, *(f"{number} {'y' * 118}" for number in range(64)))
    await world.crash(conversation)

    reopened = await world.open(agent_of(model, summary=900, window=1000, keep_turns=1))
    for number in range(1, 5):
        await say_each(reopened, f"more {number}")
        await until(lambda text=f"summary {number}": reopened.history.summary and reopened.history.summary.text == text)

    assert all(len(given) < 1.1 * 4 * 1000 for given in model.summary_prompts)
    transcripts = "".join(model.summary_prompts)
    through = reopened.history.summary.through_turn
    assert through >= 40
    assert [transcripts.count(f"User: {number} y") for number in range(64)] == [1] * through + [0] * (64 - through)


async def test_a_large_working_set_is_summarised_although_it_is_stubbed(world: World) -> None:
    """The requests stay small, but not what has to be read when the conversation is opened again."""
    model = LookingModel()
    conversation = await world.start(agent_of(model, stub=400, keep_steps=1, working_set=5_000, keep_turns=1))

    await say_each(conversation, *(["look 6"] * 5))
    await until(lambda: conversation.history.summary)

    assert max(len(str(request.messages)) for request in model.requests) < 12_000


@pytest.mark.parametrize("options", [{"keep_turns": 0}, {"keep_steps": 0}])
def test_something_is_always_kept(options: dict[str, int]) -> None:
    with pytest.raises(AgentDefinitionError, match="keeps at least"):
        Agent(name="a", model=ScriptedModel(assistant_script), middleware=[Compaction(**options)])

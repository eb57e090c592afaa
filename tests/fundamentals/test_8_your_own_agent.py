"""Lesson 8: a tool is a typed function, an agent is a few lines around it."""

from typing import Annotated

import pytest
from pydantic import Field

from agents import Agent, Call, ScriptedModel, Step, ToolContext, ToolError, tool
from agents.errors import ToolDefinitionError
from tests.support.conversations import World, rest, results, say, watching

SHELF = {"tea": 3, "coffee": 0}


@tool
async def in_stock(
    article: Annotated[str, Field(description="What to look for.")],
    context: ToolContext,
) -> dict[str, int]:
    """Count what is left of an article."""
    context.progress(f"{context.principal} looks at the shelf")
    if article not in SHELF:
        raise ToolError(f"We do not sell {article}.")
    return {article: SHELF[article]}


def shop(*steps: Step) -> Agent:
    return Agent(
        name="shop",
        model=ScriptedModel([*steps, Step("That is all.")]),
        system_prompt="You sell hot drinks.",
        tools=(in_stock,),
    )


def test_the_model_sees_the_function_without_the_context() -> None:
    assert in_stock.definition() == {
        "name": "in_stock",
        "description": "Count what is left of an article.",
        "input_schema": {
            "type": "object",
            "properties": {"article": {"type": "string", "description": "What to look for."}},
            "required": ["article"],
            "additionalProperties": False,
        },
    }


async def test_the_agent_uses_the_tool(world: World) -> None:
    conversation = await world.start(shop(Step(calls=[Call("in_stock", {"article": "tea"})])))

    async with watching(world.store) as watcher:
        await say(conversation, "any tea left?")
        await watcher.until("turn_completed")

    assert results(await world.events()) == [("ok", '{"tea":3}')]
    [progress] = [event for event in watcher.seen if event["type"] == "tool_progress"]
    assert progress["progress"] == "ada looks at the shelf"


async def test_what_goes_wrong_is_a_result_that_the_model_can_read(world: World) -> None:
    calls = [Call("in_stock", {"article": "beer"}), Call("in_stock", {"artikel": "tea"}), Call("brew")]
    conversation = await world.start(shop(Step(calls=calls)))

    answer = await conversation.ask("beer?")

    # A tool's own complaint, wrong arguments, a tool that does not exist: no turn fails for that.
    assert answer.text == "That is all."
    assert await rest(conversation) == "idle"
    by_call = [content for _, content in sorted(results(await world.events()), key=lambda result: result[1])]
    assert by_call == [
        "Invalid arguments for in_stock: article: Field required; artikel: Unexpected keyword argument",
        "There is no tool named brew. Tools: in_stock.",
        "We do not sell beer.",
    ]


def test_a_definition_that_cannot_work_is_refused_at_once() -> None:
    with pytest.raises(ToolDefinitionError, match="parameter article has no annotation"):

        @tool
        def broken(article) -> str:  # type: ignore[no-untyped-def]  # noqa: ANN001
            """Lacks a type."""
            return str(article)

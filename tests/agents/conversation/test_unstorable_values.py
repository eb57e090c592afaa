"""What tools and middleware give the log and it cannot hold fails their call or their turn, never the incarnation."""

from dataclasses import replace
from typing import Any

import pytest

from agents.agent import Agent
from agents.errors import TurnStopped
from agents.interrupt import Interrupt
from agents.middleware.pipeline.exchange import Reply, Request
from agents.middleware.pipeline.middleware import Middleware, ToolRun
from agents.middleware.pipeline.turn_context import TurnContext
from agents.models import Call, ScriptedModel, Step
from agents.tools import Tool, ToolContext, ToolOutcome, tool
from agents.turn.commands import RunTool
from agents.turn.events import StatePatch, TurnEnded
from agents.turn.live import TodosUpdated
from tests.support.conversation_workbench import Bench
from tests.support.conversations import World, ends, rest, results, say
from tests.support.unstorable import each_value, nested, stopped_by


async def run_turn(world: World, *middleware: Middleware, tools: tuple[Tool, ...] = ()) -> TurnEnded:
    """Run a turn, which calls the tools once; its end."""
    first = [Step(calls=[Call(one.name) for one in tools])] if tools else []
    model = ScriptedModel([*first, Step("done")])
    conversation = await world.start(Agent(name="a", model=model, tools=tools, middleware=middleware))
    await say(conversation)
    assert await rest(conversation) == "idle"
    assert not conversation.gone.done()
    end = (await world.events())[-1]
    assert isinstance(end, TurnEnded)
    return end


@each_value
@pytest.mark.parametrize("callback", ["before_model", "after_model"])
async def test_a_patch_fails_the_turn_and_names_the_middleware(
    world: World, callback: str, value: object, problem: str
) -> None:
    async def patch(self: Middleware, passed: Any, context: TurnContext) -> Any:
        context.patch(seen=value)
        return passed

    end = await run_turn(world, stopped_by(callback, patch))

    assert (end.outcome, end.reason) == ("failed", "middleware_failed")
    reason = f"Culprit failed in {callback}: its state cannot be stored: {problem}"
    assert end.detail == f"The turn failed: the middleware {reason}."
    assert not any(isinstance(event, StatePatch) for event in await world.events())


async def test_a_patch_that_is_changed_afterwards_fails_the_turn_too(world: World) -> None:
    async def patch(self: Middleware, passed: Any, context: TurnContext) -> Any:
        seen: list[Any] = []
        context.patch(seen=seen)
        seen.append({1})
        return passed

    end = await run_turn(world, stopped_by("after_model", patch))

    assert end.reason == "middleware_failed"
    assert end.detail is not None
    assert "Culprit failed in patch: its state cannot be stored" in end.detail


@each_value
async def test_a_patch_in_the_background_is_refused_and_the_turn_goes_on(
    world: World, value: object, problem: str
) -> None:
    async def patch(self: Middleware, context: TurnContext) -> None:
        context.patch_later({"seen": value})

    end = await run_turn(world, stopped_by("on_start", patch))
    assert end.outcome == "completed"


@each_value
async def test_the_patch_of_a_tool_fails_its_call(world: World, value: object, problem: str) -> None:
    @tool
    def note(context: ToolContext) -> str:
        """Take a note."""
        context.patch({"seen": value})
        return "noted"

    class Notes(Middleware):
        def tools(self) -> tuple[Tool, ...]:
            return (note,)

    model = ScriptedModel([Step(calls=[Call("note")]), Step("done")])
    conversation = await world.start(Agent(name="a", model=model, middleware=(Notes(),)))
    await say(conversation)
    assert await rest(conversation) == "idle"
    assert results(await world.events()) == [("error", f"note finished, but its state cannot be stored: {problem}.")]
    assert ends(await world.events()) == [("completed", None)]


@each_value
@pytest.mark.parametrize("callback", ["before_model", "after_model"])
async def test_a_question_of_middleware_fails_the_turn(
    world: World, callback: str, value: object, problem: str
) -> None:
    async def ask(self: Middleware, *_: object) -> None:
        raise Interrupt("Well?", kind="elicitation", form={"value": value})

    end = await run_turn(world, stopped_by(callback, ask))
    reason = f"Culprit failed in {callback}: its question cannot be stored: {problem}"
    assert (end.reason, end.detail) == ("middleware_failed", f"The turn failed: the middleware {reason}.")


@each_value
async def test_a_question_of_a_tool_fails_its_call(world: World, value: object, problem: str) -> None:
    @tool
    def ask() -> str:
        """Ask."""
        raise Interrupt("Well?", kind="elicitation", form={"value": value})

    end = await run_turn(world, tools=(ask,))
    assert end.outcome == "completed"
    assert results(await world.events()) == [("error", f"ask asked a question that cannot be stored: {problem}.")]


@pytest.mark.parametrize("options", [{"kind": "order"}, {"expires_in": float("inf")}, {"expires_in": "soon"}])
async def test_a_question_of_no_known_shape_fails_its_call(world: World, options: dict[str, Any]) -> None:
    @tool
    def ask() -> str:
        """Ask."""
        raise Interrupt("Well?", **options)

    end = await run_turn(world, tools=(ask,))
    assert end.outcome == "completed"
    [(status, content)] = results(await world.events())
    assert status == "error"
    assert content.startswith("ask failed with an internal error (call ")


async def test_the_form_of_a_tool_fails_its_call(world: World) -> None:
    @tool(executor="human", form=lambda _: {"choices": {1}})
    def choose() -> str:
        """Choose."""
        return ""

    end = await run_turn(world, tools=(choose,))
    assert end.outcome == "completed"
    assert results(await world.events()) == [
        ("error", "The form of choose cannot be stored: type is not JSON serializable: set.")
    ]


@pytest.mark.parametrize("callback", ["before_model", "after_model"])
@pytest.mark.parametrize("texts", [({1}, "no"), ("enough", b"no"), ("enough", "\ud83d")], ids=str)
async def test_a_turn_is_stopped_with_texts_only(world: World, callback: str, texts: tuple[Any, Any]) -> None:
    async def stop(self: Middleware, *_: object) -> None:
        raise TurnStopped(*texts)

    end = await run_turn(world, stopped_by(callback, stop))
    reason = f"Culprit failed in {callback}: it stopped the turn without a readable text"
    assert (end.reason, end.detail) == ("middleware_failed", f"The turn failed: the middleware {reason}.")


@pytest.mark.parametrize(
    "changes",
    [
        {"content": [{"type": "text", "text": "\ud83d"}]},
        {"usage": {"input_tokens": 2**70}},
        {"output": {1}},
        {"cost": 2**70},
        {"feedback": [{"type": "text", "text": b"x"}]},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_what_middleware_makes_of_an_answer_is_checked(world: World, changes: dict[str, Any]) -> None:
    async def change(self: Middleware, reply: Reply, context: TurnContext) -> Reply:
        return replace(reply, **changes)

    end = await run_turn(world, stopped_by("after_model", change))
    assert end.reason == "middleware_failed"
    assert end.detail is not None
    assert "Culprit failed in after_model: what it returned cannot be stored: " in end.detail


async def test_what_middleware_makes_of_a_call_is_checked(world: World) -> None:
    async def change(self: Middleware, reply: Reply, context: TurnContext) -> Reply:
        return replace(reply, calls=[replace(call, arguments={"job": {1}}) for call in reply.calls])

    bench = Bench()
    end = await run_turn(world, stopped_by("after_model", change), tools=(bench.tool,))
    assert end.reason == "middleware_failed"
    assert bench.runs == []


async def test_what_middleware_makes_of_a_result_is_checked(world: World) -> None:
    async def change(self: Middleware, command: RunTool, run: ToolRun, context: TurnContext) -> ToolOutcome:
        return ToolOutcome([{"type": "text", "text": "\ud83d"}])

    bench = Bench()
    end = await run_turn(world, stopped_by("run_tool", change), tools=(bench.tool,))
    assert end.outcome == "completed"
    [(status, content)] = results(await world.events())
    assert status == "error"
    assert content.startswith(
        "work failed: the middleware Culprit failed in run_tool: what it returned cannot be stored"
    )


async def test_a_result_whose_blocks_nest_too_deep_is_an_error(world: World) -> None:
    @tool
    def find() -> list[Any]:
        """Find."""
        return [{"type": "search_result", "source": "s", "title": "t", "content": nested(240)}]

    end = await run_turn(world, tools=(find,))
    assert end.outcome == "completed"
    assert results(await world.events()) == [
        ("error", "find finished, but its result cannot be stored: it nests more than 100 levels deep.")
    ]


async def test_events_and_progress_that_are_no_json_are_dropped(world: World) -> None:
    @tool
    def show(context: ToolContext) -> str:
        """Show."""
        context.progress(nested(240))
        context.tell(TodosUpdated(turn=1, todos=[{"content": {1}}]))  # type: ignore[dict-item]
        context.tell("nothing")  # type: ignore[arg-type]
        return "shown"

    end = await run_turn(world, tools=(show,))
    assert end.outcome == "completed"
    assert results(await world.events()) == [("ok", "shown")]


async def test_a_request_may_hold_what_only_the_model_reads(world: World) -> None:
    async def inject(self: Middleware, request: Request, context: TurnContext) -> Request:
        return replace(request, injected=[{"type": "text", "text": "now"}])

    end = await run_turn(world, stopped_by("before_model", inject))
    assert end.outcome == "completed"

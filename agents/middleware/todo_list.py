"""TodoList: a plan that the model writes, keeps up to date and is reminded of until it is done."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import Field

from agents.errors import ToolError
from agents.middleware.pipeline.exchange import Request
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import TurnContext
from agents.tools import Tool, ToolContext, tool
from agents.turn.live import TodosUpdated

MAX_TODOS = 50
MAX_TODO_CHARACTERS = 500

MARKS = {"pending": "[ ]", "in_progress": "[>]", "completed": "[x]"}

TEACHING = """\
# Planning
For work of three or more steps, write a plan with write_todos before you begin; simple requests need none. Mark a todo
in_progress when you take it up, one at a time, and completed as soon as it is done, not in batches at the end. Change
the plan when you learn something new. Every call replaces the whole plan, so send all todos each time."""


@dataclass(frozen=True, slots=True)
class Todo:
    """One step of the plan."""

    text: Annotated[
        str, Field(description="What is to be done, in the imperative.", min_length=1, max_length=MAX_TODO_CHARACTERS)
    ]
    status: Literal["pending", "in_progress", "completed"]


Todos = Annotated[list[Todo], Field(description="The whole plan, in order.", max_length=MAX_TODOS)]


@tool(timeout=10.0)
async def write_todos(todos: Todos, context: ToolContext) -> str:
    """Write the plan for the task at hand; it replaces the plan there was. At most one todo is in progress."""
    in_progress = sum(todo.status == "in_progress" for todo in todos)
    if in_progress > 1:
        raise ToolError(f"Only one todo may be in progress, not {in_progress}; the plan is as it was.")
    plan = [asdict(todo) for todo in todos]
    context.patch({"todos": plan})
    context.tell(TodosUpdated(turn=context.turn, todos=plan))
    if not todos:
        return "The plan is empty."
    done = sum(todo.status == "completed" for todo in todos)
    return f"The plan is written down: {done} of {len(todos)} done."


class TodoList(Middleware):
    """State: `{"todos": [{"text", "status"}]}`; it belongs to the conversation and outlives its turns."""

    def tools(self) -> Sequence[Tool]:
        return (write_todos,)

    async def system_prompt(self, context: TurnContext) -> str:
        return TEACHING

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        # It changes from call to call, so it goes after everything that can be cached.
        todos: Sequence[Mapping[str, Any]] = context.state.get("todos", ())
        if all(todo["status"] == "completed" for todo in todos):
            return request
        lines = [f"{MARKS[todo['status']]} {todo['text']}" for todo in todos]
        reminder = "\n".join(["Your plan as it stands ([x] completed, [>] in progress):", *lines])
        return replace(request, injected=[*request.injected, {"type": "text", "text": reminder}])

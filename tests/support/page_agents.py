"""The agents of the page's tests: each makes the calls that its message names, one to a line."""

from base64 import b64decode
from collections.abc import AsyncGenerator, Sequence

import orjson
from pydantic import BaseModel

from agents.agent import Agent, Expiries
from agents.errors import TurnStopped
from agents.examples.tools import get_location, pick_file
from agents.interrupt import Interrupt
from agents.middleware.ask_user import AskUser
from agents.middleware.budget import Budget
from agents.middleware.conversation_title import ConversationTitle, FirstExchange
from agents.middleware.file_system import FileSystem
from agents.middleware.pipeline.exchange import Request
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import SummaryText, TurnContext
from agents.middleware.sub_agent import SubAgent
from agents.middleware.todo_list import TodoList
from agents.models import Call, Completed, Json, ModelEvent, ModelRequest, ScriptedModel, Step, TextChunk, TokenUsage
from agents.models.scripted.message_history import turn_of
from agents.tools import Image, tool

PIXEL = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==")
TITLE = "A title of its own"
SUMMARY = "They said hello.\nNothing else happened."


def page_agents() -> tuple[Agent, ...]:
    """The agents in the catalog of the service under test that the page's tests use."""
    miser = Agent(name="miser", model=ScriptedModel(act), middleware=(Budget(conversation_tokens=1),))
    return steward(), caller(), novelist(), registrar(), miser, Agent(name="reader", model=Reader())


def act(request: ModelRequest) -> Step:
    """Make the calls in the message, on each line a name and its arguments as JSON; then tell the results."""
    turn = turn_of(request)
    if turn.results:
        return Step("It returned: " + " and ".join(result.text for result in turn.results))
    offered = {offer["name"] for offer in request.tools}
    lines = [line.partition(" ") for line in turn.prompt.splitlines()]
    calls = [Call(name, orjson.loads(arguments)) for name, _, arguments in lines if name in offered]
    return Step(calls=calls) if calls else Step(f"You said: {turn.prompt}", thinking="What was said?")


@tool(trust="user_configurable", approval="required", decisions=("approve", "edit", "reject"))
def scale(service: str, replicas: int) -> str:
    """Change how many replicas of a service run."""
    return f"{service} has {replicas}"


@tool(trust="requires_approval", approval="required", decisions=("approve", "reject"))
def wipe(disk: str) -> str:
    """Wipe a disk; nothing of it is left."""
    return f"{disk} is empty"


@tool
def paint(colour: str) -> list[str | Image]:
    """Paint a picture."""
    return [f"all {colour}", Image(PIXEL)]


@tool(executor="client")
def ring(times: int) -> None:
    """Ring a bell; the tests' own module for the page executes it."""


@tool(executor="client", approval="required")
def unlock(door: str) -> None:
    """Unlock a door; no page can."""


def caller() -> Agent:
    """Calls what the device of the person can do."""
    return Agent(
        name="caller",
        model=ScriptedModel(act),
        tools=(get_location, pick_file, ring, unlock),
        expiries=Expiries(unattended=1.0),
    )


class Doorkeeper(Middleware):
    """Asks whether a stranger may come in, before the model reads the message about one."""

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        if "a stranger" not in str(request.messages[-1]["content"]):
            return request
        if not context.answered_interrupts:
            raise Interrupt("A stranger is at the door. Let them in?")
        resolution = context.answered_interrupts[-1].resolution
        if resolution is None or resolution.decision != "approve":
            raise TurnStopped("turned_away", "The stranger was turned away.")
        return request


def steward() -> Agent:
    """Plans, keeps files, asks, delegates, and has tools that need an approval."""
    scout = Agent(name="scout", model=ScriptedModel(act), tools=(wipe,), middleware=(AskUser(),))
    return Agent(
        name="steward",
        description="Looks after the house and asks before anything is lost.",
        suggestions=("How are you?",),
        model=ScriptedModel(act, name="quick"),
        models={"thorough": ScriptedModel(act, name="thorough")},
        tools=(scale, wipe, paint),
        middleware=(TodoList(), AskUser(), FileSystem(), SubAgent((scout,), general=False), Doorkeeper()),
    )


class Bookbinder(Middleware):
    """Summarises the earlier turns when a message asks for it."""

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        if "summarise" in str(request.messages[-1]["content"]) and context.quiescent_turns:
            context.summarise(SummaryText(SUMMARY, context.quiescent_turns[-1]))
        return request


def novelist() -> Agent:
    """Gives its conversations titles, and summarises them."""

    async def title_of(exchange: FirstExchange) -> str:
        return TITLE

    return Agent(
        name="novelist", model=ScriptedModel(act), middleware=(ConversationTitle(title_of=title_of), Bookbinder())
    )


class Guest(BaseModel):
    """A guest who is expected."""

    name: str
    nights: int


class Guests(BaseModel):
    """The answer of the registrar."""

    guests: Sequence[Guest]
    paid_in_full: bool


def registrar() -> Agent:
    """Answers with an object, at the second attempt."""
    guests = [{"name": "Ada", "nights": 2}, {"name": "<b>Bob</b>", "nights": 1}]
    whole = orjson.dumps({"guests": guests, "paid_in_full": True}).decode()
    return Agent(name="registrar", model=ScriptedModel([Step('{"guests": 1}'), Step(whole)]), output=Guests)


class Reader:
    """A model whose provider searches the web for it, and whose answer names its sources."""

    name = "well-read"

    async def aclose(self) -> None:
        """It holds nothing."""

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        found = [
            {"type": "web_search_result", "url": "https://example.com/rays", "title": "On rays", "page_age": None},
            {"type": "web_search_result", "url": "javascript:document.title='pwned'", "title": "Bad", "page_age": None},
        ]
        cited = {"type": "web_search_result_location", "url": found[0]["url"], "title": "On rays", "cited_text": "flat"}
        texts: list[Json] = [
            {"type": "text", "text": "Rays are "},
            {"type": "text", "text": "flat", "citations": [cited]},
            {"type": "text", "text": "."},
        ]
        for block in texts:
            yield TextChunk(block["text"])
        number = len(request.messages)
        search: list[Json] = [
            {"type": "server_tool_use", "id": f"srvtoolu_{number}", "name": "web_search", "input": {"query": "rays"}},
            {"type": "web_search_tool_result", "tool_use_id": f"srvtoolu_{number}", "content": found},
        ]
        yield Completed([*search, *texts], "end_turn", TokenUsage(12, 5), self.name)

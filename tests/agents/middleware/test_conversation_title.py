"""ConversationTitle: made once, in the background, also after failures and crashes; a person's own title stays."""

from typing import Any

import pytest

from agents.agent import Agent
from agents.clock import now_ms
from agents.errors import ModelError
from agents.middleware.conversation_title import TASK, ConversationTitle, FirstExchange, clean_title
from agents.models import Call, Model, ModelRequest, ScriptedModel, Step
from agents.tools import tool
from agents.turn import fold
from agents.turn.events import StatePatch
from store.records import Parent
from tests.support.conversations import World, ends, rest, say, text, until, watching
from tests.support.recorder import Recorder

WORDS = "Please tell me what the weather will be tomorrow"


class TitleModel:
    """A model that answers with titles: one step after another, then the last one again and again."""

    def __init__(self, *steps: Step) -> None:
        self.requests: list[ModelRequest] = []
        self._steps = list(steps)
        self.model = ScriptedModel(self._play)

    def _play(self, request: ModelRequest) -> Step:
        self.requests.append(request)
        return self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]


def titled_agent(model: Model | None = None, steps: tuple[Step, ...] = (Step("Sunny."),) * 3, **options: Any) -> Agent:
    return Agent(name="titled", model=ScriptedModel(steps), middleware=[ConversationTitle(model, **options)])


async def title_of(world: World, conversation_id: str = "c") -> str | None:
    return (await world.store.registry.get(conversation_id)).title


async def is_done(world: World, conversation_id: str = "c") -> bool:
    return bool(fold(await world.log(conversation_id)).state.get("ConversationTitle", {}).get("done"))


async def wait_for_title(world: World) -> None:
    """Wait until the log says that the title is made."""
    while not await is_done(world):  # the test's own timeout is the bound
        pass


async def test_a_scripted_agent_takes_the_first_words(world: World) -> None:
    conversation = await world.start(titled_agent())
    async with watching(world.store) as watcher:
        await say(conversation, WORDS)
        await watcher.until("title_changed")
        await watcher.until("state_patch")
    [notice] = [event for event in watcher.seen if event["type"] == "title_changed"]
    title = "Please tell me what the weather…"
    assert notice == {"type": "title_changed", "conversation_id": "c", "turn": 1, "title": title}
    assert await title_of(world) == title
    patches = [event for event in await world.events() if isinstance(event, StatePatch)]
    assert [(patch.source, patch.patch) for patch in patches] == [("ConversationTitle", {"done": True})]


async def test_a_model_is_asked_for_words_about_the_first_exchange(world: World) -> None:
    titles = TitleModel(Step('# Title: "Weather tomorrow."\n\nI hope you like it.'))
    conversation = await world.start(titled_agent(titles.model))
    await say(conversation, WORDS)
    await rest(conversation)
    await wait_for_title(world)
    assert await title_of(world) == "Weather tomorrow"
    quotes = f"User: {WORDS}\n\nAssistant: Sunny."
    assert titles.requests == [ModelRequest(TASK, [{"role": "user", "content": text(quotes)}], max_tokens=8192)]
    await say(conversation, "Thanks")
    await rest(conversation)
    await world.crash(conversation)
    await rest(await world.open(titled_agent(titles.model)))
    assert len(titles.requests) == 1, "no second attempt"


async def test_the_agents_own_model_is_the_default(world: World) -> None:
    class Own:
        """A model that is not a ScriptedModel."""

        name = "own"

        def __init__(self) -> None:
            self.recorder = Recorder(Step("Sunny."))
            self.stream = self.recorder.model.stream

    own = Own()
    agent = Agent(name="titled", model=own, middleware=[ConversationTitle()])
    conversation = await world.start(agent)
    await say(conversation, WORDS)
    await rest(conversation)
    await wait_for_title(world)
    assert [request.system for request in own.recorder.requests] == ["", TASK]
    assert await title_of(world) == "Sunny"


async def test_a_function_may_make_the_title(world: World) -> None:
    async def in_capitals(exchange: FirstExchange) -> str:
        return f"{exchange.user} {exchange.assistant}".upper()

    conversation = await world.start(titled_agent(title_of=in_capitals))
    await say(conversation, "Rain?")
    await rest(conversation)
    await wait_for_title(world)
    assert await title_of(world) == "RAIN? SUNNY"


async def test_a_persons_own_title_stays_and_no_model_is_asked(world: World) -> None:
    titles = TitleModel(Step("Weather"))
    agent = titled_agent(titles.model)
    await world.create(agent)
    await world.store.registry.rename("c", "Mine", now_ms())
    conversation = await world.open(agent)
    await say(conversation)
    await rest(conversation)
    await wait_for_title(world)
    assert (await title_of(world), titles.requests) == ("Mine", [])


async def test_a_title_that_a_person_sets_meanwhile_stays(world: World) -> None:
    async def slowly(exchange: FirstExchange) -> str:
        await world.store.registry.rename("c", "Mine", now_ms())
        return "Yours"

    conversation = await world.start(titled_agent(title_of=slowly))
    async with watching(world.store) as watcher:
        await say(conversation)
        await watcher.until("state_patch")
    assert await title_of(world) == "Mine"
    assert "title_changed" not in watcher.types


async def test_after_a_failure_the_next_turn_tries_again(world: World) -> None:
    titles = TitleModel(Step(failure=ModelError("overloaded", "Not now.")), Step(" \n**"), Step("Weather"))
    conversation = await world.start(titled_agent(titles.model))
    for attempt in (1, 2, 3):
        await say(conversation, WORDS)
        await rest(conversation)
        await until(lambda attempt=attempt: len(titles.requests) == attempt)  # type: ignore[misc]
        await until(lambda: not conversation.agent.middleware[0]._naming)  # type: ignore[attr-defined]
    await wait_for_title(world)
    assert await title_of(world) == "Weather"
    assert ends(await world.events()) == [("completed", None)] * 3
    assert titles.requests[0] == titles.requests[2], "the first exchange still gives the title"


async def test_the_turn_neither_waits_for_a_title_nor_asks_for_two_at_once(world: World) -> None:
    titles = TitleModel(Step(hangs="before"))
    conversation = await world.start(titled_agent(titles.model))
    for _ in range(2):
        await say(conversation, WORDS)
        assert await rest(conversation) == "idle"
        await until(lambda: titles.requests)
    assert len(titles.requests) == 1
    assert await title_of(world) is None
    assert ends(await world.events()) == [("completed", None)] * 2


async def test_a_crash_before_the_title_is_made_up_for(world: World) -> None:
    titles = TitleModel(Step(hangs="before"), Step("Weather"))
    agent = titled_agent(titles.model)
    conversation = await world.start(agent)
    await say(conversation, WORDS)
    await rest(conversation)
    await until(lambda: titles.requests)
    await world.crash(conversation)
    await until(lambda: not agent.middleware[0]._naming)  # type: ignore[attr-defined]
    await world.open(agent)
    await wait_for_title(world)
    assert await title_of(world) == "Weather"
    assert titles.requests[0] == titles.requests[1]


async def test_a_title_that_was_set_just_before_a_crash_is_not_made_again(world: World) -> None:
    titles = TitleModel(Step(hangs="before"), Step("Another"))
    agent = titled_agent(titles.model)
    conversation = await world.start(agent)
    await say(conversation)
    await rest(conversation)
    await until(lambda: titles.requests)
    await world.crash(conversation)
    await until(lambda: not agent.middleware[0]._naming)  # type: ignore[attr-defined]
    assert await world.store.registry.set_title_if_absent("c", "Weather", now_ms())
    await world.open(agent)
    await wait_for_title(world)
    assert (await title_of(world), len(titles.requests)) == ("Weather", 1)


async def test_only_an_answer_that_ends_the_turn_starts_an_attempt(world: World) -> None:
    @tool
    def look() -> str:
        """Look out of the window."""
        assert titles.requests == []
        return "sunny"

    titles = TitleModel(Step("Weather"))
    steps = (Step("Let me look.", calls=[Call("look")]), Step("Sunny."))
    agent = Agent(name="titled", model=ScriptedModel(steps), tools=[look], middleware=[ConversationTitle(titles.model)])
    conversation = await world.start(agent)
    await say(conversation, WORDS)
    await rest(conversation)
    await wait_for_title(world)
    assert titles.requests[0].messages[0]["content"] == text(f"User: {WORDS}\n\nAssistant: Sunny.")
    assert len(titles.requests) == 1


async def test_a_turn_that_fails_starts_no_attempt(world: World) -> None:
    titles = TitleModel(Step("Weather"))
    failing = Step(failure=ModelError("overloaded", "Not now."))
    agent = titled_agent(titles.model, steps=(failing,))
    conversation = await world.start(agent)
    await say(conversation)
    await rest(conversation)
    await world.crash(conversation)
    conversation = await world.open(agent)
    await rest(conversation)
    assert (titles.requests, await title_of(world)) == ([], None)


async def test_a_sub_agents_conversation_gets_no_title(world: World) -> None:
    titles = TitleModel(Step("Weather"))
    agent = titled_agent(titles.model)
    await world.create(agent)
    parent = Parent(conversation_id="c", tool_call_id="t", root="c", depth=1, seq=1)
    await world.store.registry.create("c.t", agent=agent.name, principal="ada", now=now_ms(), parent=parent)
    child = await world.open(agent, "c.t")
    await say(child)
    await rest(child)
    assert (titles.requests, await title_of(world, "c.t")) == ([], None)


@pytest.mark.parametrize(
    ("words", "title"),
    [
        ("Weather tomorrow", "Weather tomorrow"),
        ("  **Weather**   `tomorrow`. ", "Weather tomorrow"),
        ("\n\n## “Weather tomorrow”\nmore", "Weather tomorrow"),
        ("title: Weather: today, tomorrow;", "Weather: today, tomorrow"),
        ("Don't panic: C# and my_file.py!", "Don't panic: C# and my_file.py!"),
        ("a" * 61, "a" * 59 + "…"),
        ("word " * 20, "word " * 10 + "word…"),
        ("", ""),
        (' "" \n', ""),
    ],
)
def test_a_title_is_one_clean_line(words: str, title: str) -> None:
    assert clean_title(words) == title
    assert len(clean_title(words)) <= 60

"""PatchToolCalls: the result is always valid for the provider, with as few changes as possible."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agents.agent import Agent
from agents.middleware.patch_tool_calls import EARLIER, UNANSWERED, PatchToolCalls, patch
from agents.middleware.pipeline.exchange import Request
from agents.middleware.pipeline.middleware import Middleware
from agents.middleware.pipeline.turn_context import TurnContext
from agents.models import Call, Step
from agents.tools import tool
from agents.turn.events import ToolCall
from tests.messages_api.rules import check_request
from tests.support.conversations import World, rest, results, say
from tests.support.recorder import Recorder

Json = dict[str, Any]


def text(words: str) -> Json:
    return {"type": "text", "text": words}


def call(key: str) -> Json:
    return {"type": "tool_use", "id": key, "name": "work", "input": {}}


def result(key: str, words: str = "done") -> Json:
    return {"type": "tool_result", "tool_use_id": key, "content": words}


def made_up(key: str) -> Json:
    return {"type": "tool_result", "tool_use_id": key, "content": UNANSWERED, "is_error": True}


def user(*blocks: Json) -> Json:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Json) -> Json:
    return {"role": "assistant", "content": list(blocks)}


def test_a_dangling_call_at_the_end_gets_a_result() -> None:
    assert patch([user(text("go")), assistant(call("a"))]) == [
        user(text("go")),
        assistant(call("a")),
        user(made_up("a")),
    ]


def test_a_dangling_call_gets_its_result_before_what_the_user_said_next() -> None:
    assert patch([user(text("go")), assistant(call("a")), user(text("well?"))]) == [
        user(text("go")),
        assistant(call("a")),
        user(made_up("a"), text("well?")),
    ]


def test_several_dangling_calls_are_answered_in_their_order() -> None:
    assert patch([user(text("go")), assistant(call("a"), call("b"))])[-1] == user(made_up("a"), made_up("b"))


def test_calls_across_messages_are_answered_one_by_one() -> None:
    assert patch([user(text("go")), assistant(call("a")), assistant(call("b")), user(text("well?"))]) == [
        user(text("go")),
        assistant(call("a")),
        user(made_up("a")),
        assistant(call("b")),
        user(made_up("b"), text("well?")),
    ]


def test_a_partly_answered_batch_keeps_what_it_has() -> None:
    assert patch([user(text("go")), assistant(call("a"), call("b"), call("c")), user(result("b"))]) == [
        user(text("go")),
        assistant(call("a"), call("b"), call("c")),
        user(result("b"), made_up("a"), made_up("c")),
    ]


def test_only_a_result_after_the_call_counts() -> None:
    assert patch([user(result("a", "too early"), text("go")), assistant(call("a"))]) == [
        user(text("go")),
        assistant(call("a")),
        user(made_up("a")),
    ]


def test_a_late_result_is_moved_after_its_call() -> None:
    messages = [user(text("go")), assistant(call("a")), user(text("well?")), assistant(text("wait")), user(result("a"))]
    assert patch(messages) == [
        user(text("go")),
        assistant(call("a")),
        user(result("a"), text("well?")),
        assistant(text("wait")),
    ]


def test_results_spread_over_two_messages_are_brought_together() -> None:
    messages = [user(text("go")), assistant(call("a"), call("b")), user(result("b")), user(result("a"), text("well?"))]
    assert patch(messages) == [
        user(text("go")),
        assistant(call("a"), call("b")),
        user(result("b"), result("a"), text("well?")),
    ]


def test_an_id_used_twice_is_answered_twice() -> None:
    messages = [user(text("go")), assistant(call("a")), assistant(call("a")), user(result("a"))]
    assert patch(messages) == [
        user(text("go")),
        assistant(call("a")),
        user(made_up("a")),
        assistant(call("a")),
        user(result("a")),
    ]


def test_orphaned_and_double_results_are_dropped() -> None:
    messages = [
        user(text("go"), result("lost")),
        assistant(call("a")),
        user(result("a", "first"), result("a", "second"), result("b")),
        assistant(text("done")),
        user(result("a", "third")),
    ]
    assert patch(messages) == [
        user(text("go")),
        assistant(call("a")),
        user(result("a", "first")),
        assistant(text("done")),
    ]


def test_a_result_after_a_text_is_moved_first() -> None:
    assert patch([user(text("go")), assistant(call("a")), user(text("look"), result("a"))])[-1] == user(
        result("a"), text("look")
    )


def test_adjacent_messages_of_one_role_are_merged_and_empty_ones_dropped() -> None:
    messages = [
        {"role": "user", "content": "one"},
        user(),
        user(text("")),
        assistant(),
        {"role": "user", "content": ""},
        {"role": "user", "content": "two"},
        assistant(text("three")),
        assistant(text("four")),
    ]
    assert patch(messages) == [user(text("one"), text("two")), assistant(text("three"), text("four"))]


def test_whitespace_is_content() -> None:
    messages = [user(text(" "))]
    assert patch(messages) == messages


def test_an_answer_at_the_beginning_gets_an_explanation_before_it() -> None:
    assert patch([assistant(text("done"))]) == [user(text(EARLIER)), assistant(text("done"))]


def test_no_messages_stay_no_messages() -> None:
    assert patch([]) == []
    assert patch([user(), assistant()]) == []


def searching(key: str) -> Json:
    return {"type": "server_tool_use", "id": f"srvtoolu_{key}", "name": "web_search", "input": {"query": "q"}}


def searched(key: str) -> Json:
    return {"type": "web_search_tool_result", "tool_use_id": f"srvtoolu_{key}", "content": []}


THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "s"}
IMAGE = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}


def test_blocks_of_the_other_role_are_dropped() -> None:
    messages = [user(text("go"), THOUGHT, call("a"), searching("a"), searched("a"), IMAGE)]
    messages.append(assistant(THOUGHT, IMAGE, result("a"), text("done")))
    assert patch(messages) == [user(text("go"), IMAGE), assistant(THOUGHT, text("done"))]


def test_a_providers_call_that_has_no_result_is_dropped_and_so_is_a_result_without_a_call() -> None:
    whole = [searching("a"), searched("a")]
    messages = [user(text("go")), assistant(*whole, searching("b"), searched("c"), text("done")), user(text("well?"))]
    assert patch(messages)[1] == assistant(*whole, text("done"))


def test_a_running_call_of_the_provider_stays() -> None:
    messages = [user(text("go")), assistant(text("wait"), searching("a"))]
    assert patch(messages) == messages
    assert patch([user(text("go")), assistant(call("a"), searching("a"))])[1] == assistant(call("a"))


KEYS = st.sampled_from(["a", "b", "c"])
TEXTS = st.sampled_from(["", " ", "well", "go on"])
BLOCKS = st.one_of(
    st.builds(text, TEXTS),
    st.builds(call, KEYS),
    st.builds(result, KEYS, TEXTS),
    st.builds(searching, KEYS),
    st.builds(searched, KEYS),
    st.sampled_from([THOUGHT, IMAGE]),
)
ANYTHING = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant"]), "content": st.one_of(TEXTS, st.lists(BLOCKS, max_size=5))}
    ),
    max_size=8,
)


@st.composite
def valid_messages(draw: st.DrawFn) -> list[Json]:
    """Messages that a provider accepts."""
    messages: list[Json] = []
    calls: list[str] = []
    for _ in range(draw(st.integers(1, 4))):
        answered = [result(key) for key in draw(st.permutations(calls))]
        words = [text(words) for words in draw(st.lists(st.sampled_from([" ", "well"]), min_size=not answered))]
        messages.append(user(*answered, *words))
        calls = draw(st.lists(KEYS, unique=True))
        spoken = draw(st.lists(st.sampled_from([" ", "well"]), min_size=not calls))
        messages.append(assistant(*map(text, spoken), *map(call, calls)))
    messages.append(user(*(result(key) for key in calls), text("go")) if calls else {"role": "user", "content": "go"})
    return messages


@given(ANYTHING)
def test_the_result_is_always_valid(messages: list[Json]) -> None:
    before = deepcopy(messages)
    patched = patch(messages)
    assert messages == before
    if patched:
        check_request({"model": "m", "max_tokens": 1, "messages": patched})


@given(ANYTHING)
def test_texts_and_calls_are_kept_in_their_order(messages: list[Json]) -> None:
    kept = [item for message in patch(messages) for item in _texts_and_calls(message) if item != EARLIER]
    assert kept == [item for message in messages for item in _texts_and_calls(message)]


def _texts_and_calls(message: Json) -> list[str]:
    """The texts of a message, and its calls if its role may make any."""
    content = message["content"]
    item: list[str] = []
    for block in [text(content)] if isinstance(content, str) else content:
        if block["type"] == "text" and block["text"]:
            item.append(block["text"])
        elif block["type"] == "tool_use" and message["role"] == "assistant" and f"call {block['id']}" not in item:
            item.append(f"call {block['id']}")
    return item


@given(ANYTHING)
def test_a_second_patch_changes_nothing(messages: list[Json]) -> None:
    patched = patch(messages)
    assert patch(patched) == patched


@given(valid_messages())
def test_valid_messages_stay_as_they_are(messages: list[Json]) -> None:
    check_request({"model": "m", "max_tokens": 1, "messages": messages})
    assert patch(messages) == messages


class DropMessages(Middleware):
    """Drops messages, as no middleware should: calls lose their results, and results their calls."""

    def __init__(self, kept: slice) -> None:
        self._kept = kept

    async def before_model(self, request: Request, context: TurnContext) -> Request:
        return replace(request, messages=request.messages[self._kept])


@tool
def work() -> str:
    """Work on something."""
    return "done"


async def sent(world: World, *dropping: Middleware) -> tuple[list[Json], str]:
    """The messages of the second request, and the id of the first call."""
    recorder = Recorder(*[Step(calls=[Call("work")])] * 2)
    agent = Agent(name="a", model=recorder.model, tools=[work], middleware=[*dropping, PatchToolCalls()])
    conversation = await world.start(agent)
    await say(conversation)
    await rest(conversation)
    assert results(await world.events())[0] == ("ok", "done"), "the log is not touched"
    first = next(event for event in await world.events() if isinstance(event, ToolCall))
    return list(recorder.requests[1].messages), first.tool_call_id


async def test_messages_that_other_middleware_has_cut_are_patched(world: World) -> None:
    messages, key = await sent(world, DropMessages(slice(1, 2)))
    assert messages == [user(text(EARLIER)), assistant(call(key)), user(made_up(key))]


async def test_complete_messages_are_sent_as_they_are(world: World) -> None:
    messages, key = await sent(world)
    assert messages == [user(text("hello")), assistant(call(key)), user(result(key))]

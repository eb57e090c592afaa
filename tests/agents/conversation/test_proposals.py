"""Proposals: a finished answer joined with the agent's tools; what cannot run is refused in words for the model."""

from collections.abc import Sequence
from typing import Any

from agents.agent import Agent, Expiries
from agents.conversation.approval_policy import with_expiry
from agents.conversation.history import History
from agents.conversation.proposals import propose_calls
from agents.examples.offline.assistant import assistant_script
from agents.models import Completed, ScriptedModel
from agents.tools import tool
from agents.turn import Facts
from agents.turn.events import Block, Summary
from agents.turn.inputs import ModelRef, ProposedCall

NOW = 1_000_000
REF = ModelRef(3, 2)


@tool(on_unknown_outcome="report")
def ship(article: str) -> str:
    """Ship an article.

    The second paragraph is for the model only.
    """
    return article


@tool(executor="client")
def locate() -> str:
    """Where is the device?"""
    return ""


@tool(executor="client", approval="required")
def photograph() -> str:
    """Take a picture."""
    return ""


@tool(executor="human")
def ask(question: str) -> str:
    """Ask a person."""
    return question


AGENT = Agent(
    name="a",
    model=ScriptedModel(assistant_script),
    tools=(ship, locate, photograph, ask),
    expiries=Expiries(client=5.0, people=60.0),
)


def use(name: str, key: str = "toolu_1", **more: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": key, "name": name, "input": {}, **more}


def proposed(*blocks: dict[str, Any], taken: frozenset[str] = frozenset()) -> list[ProposedCall]:
    _, calls = joined(list(blocks), known(*taken))
    return list(calls)


def joined(content: list[dict[str, Any]], history: History) -> tuple[Sequence[Block], Sequence[ProposedCall]]:
    tools = {tool.name: tool for tool in AGENT.tools}
    return propose_calls(Completed(content, "tool_use"), REF, AGENT, tools, history)


def known(*tool_call_ids: str) -> History:
    """A history in which these ids were given out."""
    history = History(Facts())
    history.tool_call_ids.update(tool_call_ids)
    return history


def test_calls_stand_in_the_content_by_reference() -> None:
    spoken = {"type": "text", "text": "Wait."}
    content, [call] = joined([spoken, use("ship", input={"article": "tea"})], known())
    assert content == [spoken, {"type": "tool_call", "tool_call_id": "toolu_1"}]
    assert (call.tool_call_id, call.name, call.on_unknown_outcome, call.refusal) == ("toolu_1", "ship", "report", None)


def test_a_person_is_asked_the_first_line() -> None:
    [call] = proposed(use("ship"))
    assert call.prompt == "Ship an article."


def test_programs_are_waited_for_briefly_people_longer() -> None:
    calls = proposed(use("locate", "1"), use("photograph", "2"), use("ask", "3"))
    locating, photographing, asking = with_expiry(calls, NOW, AGENT.expiries)
    assert locating.expires_at == NOW + 5_000
    assert photographing.expires_at == NOW + 60_000, "its first suspension is an approval, by a person"
    assert asking.expires_at == NOW + 60_000


def test_an_unknown_tool_is_refused_with_the_names_of_the_known() -> None:
    [call] = proposed(use("fly"))
    assert call.refusal == "There is no tool named fly. Tools: ship, locate, photograph, ask."


def test_malformed_arguments_are_refused_and_never_run() -> None:
    [call] = proposed(use("photograph", malformed='{"size": '))
    assert call.refusal == "The arguments are not a JSON object; send them again."
    assert call.arguments == {}


def test_an_id_that_was_used_is_given_another_that_is_the_same_after_a_crash() -> None:
    [call] = proposed(use("ship"), taken=frozenset({"toolu_1"}))
    assert call.tool_call_id == "call_3_2_1_0"


def test_ids_are_ours_once_the_history_is_not_held_whole() -> None:
    summary = Summary(turn=2, text="They met.", through_turn=1, after=3, base={})
    _, [call] = joined([use("ship")], History(Facts(), summary))
    assert call.tool_call_id == "call_3_2_1_0"


def test_ids_are_unique_within_an_answer() -> None:
    first, second = proposed(use("ship"), use("ship"))
    assert (first.tool_call_id, second.tool_call_id) == ("toolu_1", "call_3_2_1_1")


def test_an_id_that_the_provider_would_not_take_back_is_replaced() -> None:
    for bad in ("", "with space", "ü", "x" * 129):
        [call] = proposed(use("ship", bad))
        assert call.tool_call_id == "call_3_2_1_0"


def test_even_an_invented_id_is_unique() -> None:
    keys = [call.tool_call_id for call in proposed(use("ship", "call_3_2_1_1"), use("ship", "call_3_2_1_1"))]
    assert len(set(keys)) == 2
    [call] = proposed(use("ship"), taken=frozenset({"toolu_1", "call_3_2_1_0"}))
    assert call.tool_call_id not in {"toolu_1", "call_3_2_1_0"}

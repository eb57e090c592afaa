"""What an answer has beside text: thoughts, objects, sources, pictures, summaries, titles, and its cost."""

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.page_agents import SUMMARY, TITLE
from tests.support.person import Person

pytestmark = pytest.mark.browser

USAGE = """async ([base, events]) => (await import(base + 'usage.js')).usageOf(events, 2)"""
PLAN = """async ([base, page]) => {
  const { addPage, initial } = await import(base + 'state.js');
  return page.reduce((state, events) => addPage(state, events), initial).plan;
}"""


def test_thoughts_are_folded_and_usage_is_shown_on_demand(person: Person) -> None:
    person.ask("steward", "hello")
    person.wait_until_idle()
    thought = person.page.get_by_text("What was said?")
    expect(thought).to_be_hidden()
    person.page.locator(".thinking summary").press("Enter")
    expect(thought).to_be_visible()
    usage = person.page.locator(".usage")
    expect(usage).to_be_hidden()
    person.page.locator(".usage-button").press("Enter")
    expect(usage).to_contain_text("This turn: 1 model call · ")
    expect(usage).to_contain_text("written")


def test_a_structured_answer_is_read_as_an_object(person: Person) -> None:
    person.ask("registrar", "who comes?")
    answer = person.answers.last
    expect(answer.locator("dt")).to_have_text(["Guests", "Paid in full"])
    expect(answer.locator("th")).to_have_text(["Name", "Nights"])
    expect(answer.locator("td")).to_have_text(["Ada", "2", "<b>Bob</b>", "1"])
    expect(answer.locator("b")).to_have_count(0)
    remark = person.page.locator(".remark")
    expect(remark).to_have_text("A note to the model", use_inner_text=True)
    person.wait_until_idle()
    before = person.rows()
    person.reload()
    expect(person.page.locator(".row")).to_have_count(len(before))
    assert person.rows() == before


def test_sources_are_links_and_a_cited_sentence_is_one(person: Person) -> None:
    person.ask("reader", "what are rays?")
    expect(person.page.locator(".lookup")).to_have_text("Searched the web for rays")
    expect(person.answers.last).to_have_text("Rays are flat.")
    expect(person.answers.last.locator("p")).to_have_count(1)
    sources = person.page.get_by_role("region", name="Sources").get_by_role("link")
    expect(sources).to_have_text(["On rays"])
    expect(sources).to_have_attribute("href", "https://example.com/rays")
    expect(sources).to_have_attribute("rel", "noopener noreferrer nofollow")
    person.wait_until_idle()


def test_a_picture_of_a_tool_is_shown(person: Person) -> None:
    person.ask("steward", 'paint {"colour": "green"}')
    card = person.tool("paint")
    expect(card.locator(".chip")).to_have_text("Done")
    card.locator("summary").click()
    expect(card).to_contain_text("all green")
    card.get_by_role("button", name="Open Picture 1").click()
    expect(person.page.get_by_role("dialog").get_by_role("img")).to_be_visible()
    person.page.keyboard.press("Escape")
    expect(person.page.get_by_role("dialog")).to_have_count(0)
    person.wait_until_idle()


def test_the_agent_gives_a_title_and_summarises_earlier_messages(person: Person) -> None:
    person.ask("novelist", "hello")
    expect(person.title).to_have_text(TITLE)
    expect(person.page.locator("#conversations [aria-current]")).to_have_text(TITLE)
    person.wait_until_idle()
    person.say("summarise, please")
    divider = person.page.locator(".summary")
    expect(divider).to_have_text("Earlier messages were summarised", use_inner_text=True)
    divider.locator("summary").press("Enter")
    expect(divider.get_by_text("Nothing else happened.")).to_be_visible()
    expect(divider.locator(".summary-text")).to_have_text(SUMMARY)
    person.wait_until_idle()
    order = [key.partition(":")[0] for key, _ in person.rows()]
    assert order == ["user", "message", "summary", "user", "message"]
    person.reload()
    expect(divider).to_be_visible()
    assert [key.partition(":")[0] for key, _ in person.rows()] == order


def test_what_a_turn_used_is_the_sum_of_its_answers(person: Person, modules: str) -> None:
    def answer(turn: int, cost: int | None, **usage: int) -> dict[str, Any]:
        return {"type": "assistant_msg", "turn": turn, "usage": usage, "cost": cost}

    events = [
        answer(1, 5, input_tokens=1000),
        answer(2, 40, input_tokens=100, output_tokens=10, cache_read_input_tokens=900),
        {"type": "tool_call", "turn": 2},
        answer(2, None, input_tokens=200, output_tokens=20, cache_creation_input_tokens=50),
    ]
    assert person.page.evaluate(USAGE, [modules, events]) == {
        "answers": 2,
        "input": 1250,
        "cached": 900,
        "output": 30,
        "cost": 40,
    }


def test_the_newest_plan_counts_in_whatever_order_history_is_read(person: Person, modules: str) -> None:
    def patch(seq: int, text: str) -> dict[str, Any]:
        todos = [{"text": text, "status": "pending"}]
        return {"type": "state_patch", "seq": seq, "turn": 1, "source": "TodoList", "patch": {"todos": todos}}

    other = {"type": "state_patch", "seq": 4, "turn": 1, "source": "Memory", "patch": {"todos": []}}
    backwards = person.page.evaluate(PLAN, [modules, [[patch(3, "new"), other], [patch(1, "old"), patch(2, "older")]]])
    forwards = person.page.evaluate(PLAN, [modules, [[patch(1, "old"), patch(2, "older"), patch(3, "new"), other]]])
    assert backwards == forwards == {"seq": 3, "todos": [{"text": "new", "status": "pending"}]}

"""The page by keyboard alone, on a phone, and in both themes."""

import re
from typing import Any, Literal

import orjson
import pytest
from playwright.sync_api import expect

from tests.page.conftest import Visit
from tests.support.person import Person

pytestmark = pytest.mark.browser

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
NOTHING_MOVES = "() => document.getAnimations().every(animation => animation.playState === 'finished')"
READ_COLOURS = """nodes => {
  const opaque = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return colour !== 'rgba(0, 0, 0, 0)' || !element.parentElement ? colour : opaque(element.parentElement);
  };
  return nodes.map(node => [node.innerText, getComputedStyle(node).color, opaque(node)]);
}"""


def test_a_conversation_by_keyboard_alone(person: Person) -> None:
    keyboard = person.page.keyboard
    expect(person.box).to_be_focused()
    keyboard.type("first line")
    keyboard.press("Shift+Enter")
    keyboard.type("second line")
    expect(person.box).to_have_value("first line\nsecond line")
    keyboard.press("Enter")
    expect(person.questions).to_have_text("first line\nsecond line")
    person.wait_until_idle()
    keyboard.press("Control+k")
    expect(person.title).to_have_text("New conversation")
    expect(person.box).to_be_focused()
    keyboard.type("announce: by keyboard")
    keyboard.press("Enter")
    approve = person.page.get_by_role("button", name="Approve", exact=True)
    expect(approve).to_be_visible()
    for _ in range(6):
        if approve.evaluate("node => node === document.activeElement"):
            break
        keyboard.press("Shift+Tab")
    keyboard.press("Enter")
    expect(person.tool("announce").locator(".chip")).to_have_text("Done")
    expect(person.box).to_be_focused()


def test_escape_stops_the_turn(person: Person) -> None:
    person.say("Tell me a story")
    expect(person.answers.last).to_contain_text("Once upon")
    person.page.keyboard.press("Escape")
    expect(person.page.locator(".notice")).to_have_text("Stopped")
    person.wait_until_idle()


def test_arrow_keys_move_through_the_list(person: Person) -> None:
    for text in ("older one", "newer one"):
        person.page.keyboard.press("Control+k")
        person.say(text)
        person.wait_until_idle()
    links = person.page.locator("a.conversation")
    expect(links.first).to_have_text("newer one")
    links.first.focus()
    person.page.keyboard.press("ArrowDown")
    expect(links.nth(1)).to_be_focused()
    person.page.keyboard.press("Enter")
    expect(person.title).to_have_text("older one")


def test_the_first_tab_stop_skips_to_the_message(person: Person) -> None:
    person.box.blur()
    person.page.evaluate("document.activeElement.blur(); getSelection().removeAllRanges()")
    link = person.page.get_by_role("link", name="Skip to the content")
    link.focus()
    expect(link).to_be_in_viewport()
    assert link.evaluate("node => node === document.querySelector('a, button, input, textarea, [tabindex]')")
    address = person.page.url
    link.press("Enter")
    expect(person.box).to_be_focused()
    assert person.page.url == address, "what is open stays"


def test_nothing_is_wider_than_a_phone(visit: Visit) -> None:
    person = visit(**PHONE)
    person.ask("steward", "A" * 300)
    person.wait_until_idle()
    person.say(everything_at_once("b" * 200))
    expect(person.page.get_by_role("button", name="Approve", exact=True)).to_be_visible()
    expect(person.page.get_by_role("button", name="Answer", exact=True)).to_be_visible()
    assert person.page.evaluate("document.documentElement.scrollWidth") == 360
    assert person.page.evaluate("document.getElementById('thread').scrollWidth") == 360
    assert person.page.evaluate("document.querySelector('.composer').scrollWidth") <= 360
    person.press("Files (1)")
    expect(person.files.get_by_role("button", name="bbb")).to_be_visible()
    assert person.page.evaluate("document.getElementById('files').scrollWidth") <= 360
    person.page.keyboard.press("Escape")
    expect(person.files).to_be_hidden()


def test_the_list_is_a_drawer_on_a_phone(visit: Visit) -> None:
    person = visit(**PHONE)
    new = person.page.get_by_role("button", name="New conversation")
    expect(new).to_be_hidden()
    person.press("Conversations")
    expect(new).to_be_visible()
    person.page.keyboard.press("Escape")
    expect(new).to_be_hidden()


def test_text_has_enough_contrast_in_both_themes(person: Person) -> None:
    person.choose("steward")
    assert_readable(person, ".agent-card span, .welcome p, .picker select")
    person.say(everything_at_once("c"))
    expect(person.page.get_by_role("button", name="Approve", exact=True)).to_be_visible()
    person.page.get_by_role("radio").first.check()
    person.page.locator(".plan summary").click()
    assert_readable(person, ".bubble, .row-foot .quiet, .chip, .agent, #conversations h2, .sidebar-foot")
    assert_readable(
        person, ".question, .button, .expiry, legend, .choice-words span, .plan span, .picker select, .count"
    )


def test_the_theme_can_be_chosen_and_is_remembered(person: Person) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    light = person.page.evaluate(background)
    person.press("Switch to dark")
    dark = person.page.evaluate(background)
    assert dark != light
    person.page.reload()
    assert person.page.evaluate(background) == dark
    person.press("Switch to light")
    assert person.page.evaluate(background) == light


def everything_at_once(word: str) -> str:
    """A message that brings a plan, a file, an approval and a form, all with this word."""
    question = {
        "id": "q",
        "prompt": word,
        "options": [{"label": word, "description": word}, {"label": "no"}],
        "free": True,
    }
    calls = {
        "write_todos": {"todos": [{"text": word, "status": "in_progress"}, {"text": "no", "status": "completed"}]},
        "create_file": {"path": f"{word}/{word}.txt", "content": word},
        "scale": {"service": word, "replicas": 1},
        "ask_user": {"questions": [question]},
    }
    return "\n".join(f"{name} {orjson.dumps(arguments).decode()}" for name, arguments in calls.items())


def assert_readable(person: Person, places: str) -> None:
    """The text at these places has enough contrast in both themes."""
    found = person.page.locator(places)
    expect(found.first).to_be_visible()
    for scheme in SCHEMES:
        person.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        person.page.wait_for_function(NOTHING_MOVES)
        for text, colour, background in found.evaluate_all(READ_COLOURS):
            assert contrast(colour, background) >= 4.5, (scheme, text, colour, background)
        ((_, _, page),) = person.page.locator("body").evaluate_all(READ_COLOURS)
        assert (luminance(page) < 0.2) == (scheme == "dark")


def contrast(first: str, second: str) -> float:
    """The contrast ratio of two CSS colours, as WCAG defines it."""
    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """The relative luminance of `rgb(r, g, b)`, as WCAG defines it."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

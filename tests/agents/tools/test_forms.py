"""Answers to forms: each question is answered once with an allowed value, or a sentence says what is wrong."""

from typing import Any

import pytest

from agents.errors import ToolError
from agents.tools.forms import check_form_answer


def question(key: str, *values: str, multiple: bool = False, free: bool = False) -> dict[str, Any]:
    options = [{"value": value, "label": value.title()} for value in values]
    return {"id": key, "prompt": f"{key}?", "options": options, "multiple": multiple, "free": free}


FORM = {
    "questions": [
        question("colour", "red", "blue"),
        question("sizes", "s", "m", "l", multiple=True),
        question("extras", "bow", multiple=True, free=True),
        question("name", free=True),
    ]
}
GOOD: dict[str, Any] = {"name": "Ada", "colour": "red", "sizes": ["l", "s"], "extras": ["bow", "a card"]}


def test_a_good_answer_comes_back_in_the_order_of_the_questions() -> None:
    checked = check_form_answer(FORM, GOOD)
    assert list(checked.items()) == [
        ("colour", "red"),
        ("sizes", ["l", "s"]),
        ("extras", ["bow", "a card"]),
        ("name", "Ada"),
    ]


@pytest.mark.parametrize("answer", ["red", ["red"], None, 7, [GOOD]])
def test_an_answer_that_is_no_object(answer: Any) -> None:
    with pytest.raises(ToolError, match="must be an object with an entry for each of colour, sizes, extras, name"):
        check_form_answer(FORM, answer)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"colour": "green"}, "The answer to colour must be one of red, blue, not 'green'."),
        ({"colour": ["red"]}, "The answer to colour must be a text, not list."),
        ({"colour": None}, "The answer to colour must be a text, not NoneType."),
        ({"colour": ""}, "The answer to colour must be one of red, blue, not ''."),
        ({"sizes": "s"}, "The answer to sizes must be a list: several may be chosen."),
        ({"sizes": []}, "The answer to sizes must have 1 to 100 entries, not 0."),
        ({"sizes": ["s", "s"]}, "The answer to sizes names the same twice."),
        ({"sizes": ["s", "xl"]}, "The answer to sizes must be one of s, m, l, not 'xl'."),
        ({"sizes": ["s", 1]}, "The answer to sizes must be a text, not int."),
        ({"extras": [" "]}, "The answer to extras must have 1 to 10000 characters."),
        ({"extras": [str(n) for n in range(101)]}, "The answer to extras must have 1 to 100 entries, not 101."),
        ({"name": ""}, "The answer to name must have 1 to 10000 characters."),
        ({"name": "x" * 10_001}, "The answer to name must have 1 to 10000 characters."),
        ({"name": {"first": "Ada"}}, "The answer to name must be a text, not dict."),
        ({"shape": "round"}, "Nobody asked shape; the questions are colour, sizes, extras, name."),
    ],
)
def test_answers_that_do_not_fit(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(ToolError) as refused:
        check_form_answer(FORM, {**GOOD, **change})
    assert refused.value.message == problem


@pytest.mark.parametrize("missing", list(GOOD))
def test_every_question_needs_its_answer(missing: str) -> None:
    answer = {key: value for key, value in GOOD.items() if key != missing}
    with pytest.raises(ToolError, match=f"Not every question is answered: {missing} is missing."):
        check_form_answer(FORM, answer)

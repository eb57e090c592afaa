"""AskUser: lets the agent ask its user one or several questions at once, with options or free text."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from agents.definition_checks import approver_problems, check_middleware
from agents.middleware.pipeline.middleware import Middleware
from agents.tools import Tool, tool
from agents.tools.forms import check_form_answer
from agents.turn.approvers import Approver, read_approvers

Text = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"\S")]
Label = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]


def _refuse_duplicates(what: str, names: Sequence[str]) -> None:
    duplicates = [name for name, count in Counter(names).items() if count > 1]
    if duplicates:
        raise ValueError(f"two of the {what} are called {duplicates[0]!r}")


class Option(BaseModel):
    model_config = ConfigDict(extra="forbid")

    label: Annotated[Label, Field(description="What the person sees, and what you get back when it is chosen.")]
    description: Annotated[Text | None, Field(description="What choosing it means, if the label does not say.")] = None


class Question(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, Field(description="A short name; the answer comes back under it.", pattern=r"^[\w.-]{1,64}$")]
    prompt: Annotated[Text, Field(description="The question, as a whole sentence.")]
    options: Annotated[
        list[Option], Field(description="Answers to choose from; none for a question in free words.", max_length=20)
    ] = Field(default_factory=list)
    multiple: Annotated[bool, Field(description="Whether several answers may be given.")] = False
    free: Annotated[bool, Field(description="Whether other words than the options are welcome.")] = False

    @model_validator(mode="after")
    def _check_options(self) -> Self:
        _refuse_duplicates("options", [option.label for option in self.options])
        if self.multiple and not self.options:
            raise ValueError("a question with several answers needs options")
        return self


def _check_ids(questions: list[Question]) -> list[Question]:
    _refuse_duplicates("questions", [question.id for question in questions])
    return questions


Questions = Annotated[
    list[Question],
    Field(min_length=1, max_length=10, description="All that you need to know, asked at once."),
    AfterValidator(_check_ids),
]
_QUESTIONS: TypeAdapter[list[Question]] = TypeAdapter(Questions)


def form_of(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The form (see `agents.tools.forms`) of a call of `ask_user`. Raises ValueError for invalid questions."""
    return {
        "questions": [_question_form(question) for question in _QUESTIONS.validate_python(arguments.get("questions"))]
    }


def check_answer(arguments: Mapping[str, Any], answer: object) -> dict[str, str | list[str]]:
    """The answers by question id, as the model reads them. Raises ToolError for answers that do not fit the form."""
    return check_form_answer(form_of(arguments), answer)


@tool(executor="human", form=form_of, check_answer=check_answer)
def ask_user(questions: Questions) -> None:
    """Ask the person you work for.

    Ask when you cannot go on well without knowing: the request can be read in ways that lead to different work, a
    choice is a matter of taste or of money, or a fact is missing that only this person has. Do not ask for what you
    can find out yourself, for permission to use a tool, or whether to go on. Ask all you need in one call; offer
    options when you can name the likely answers, the one you would choose first.

    The answer is a JSON object with the answer to each question under its id: a text, or a list of texts where
    several may be given.
    """


class AskUser(Middleware):
    """Adds the tool `ask_user`. Its call waits for the person as long as the agent's expiry for people says.

    `approvers` says who may answer, as for a tool of one's own.
    """

    def __init__(self, approvers: Approver | Sequence[Approver] | None = None) -> None:
        check_middleware("AskUser", approver_problems(approvers))
        self._tool = replace(ask_user, approvers=read_approvers(approvers))

    def tools(self) -> Sequence[Tool]:
        return (self._tool,)


def _question_form(question: Question) -> dict[str, Any]:
    return {
        "id": question.id,
        "prompt": question.prompt,
        "options": [_option_form(option) for option in question.options],
        "multiple": question.multiple,
        "free": question.free or not question.options,
    }


def _option_form(option: Option) -> dict[str, str]:
    description = {} if option.description is None else {"description": option.description}
    return {"value": option.label, "label": option.label, **description}

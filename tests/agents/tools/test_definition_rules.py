"""What a definition may combine: executor and approval, approval and trust, and the options of some tools only."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agents.errors import ToolDefinitionError
from agents.tools import Tool, provider_tool, tool


def made(**options: Any) -> Tool:
    def act(text: str) -> None:
        """Act."""

    return tool(**options)(act)


def refusal(define: Callable[[], object]) -> str:
    with pytest.raises(ToolDefinitionError) as caught:
        define()
    return caught.value.problem


GATEABLE, UNGATEABLE = ("server", "client"), ("human",)


@pytest.mark.parametrize("approval", ["auto", "required"])
@pytest.mark.parametrize("executor", GATEABLE)
def test_legal_cells(executor: Any, approval: Any) -> None:
    cell = made(executor=executor, approval=approval)
    assert (cell.executor, cell.approval) == (executor, approval)


def test_the_other_legal_cells() -> None:
    person, provider = made(executor="human"), provider_tool("web_search_20250305", "web_search")
    assert [(cell.executor, cell.approval, cell.trust) for cell in (person, provider)] == [
        ("human", "auto", "auto"),
        ("provider", "auto", "auto"),
    ]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"executor": "human", "approval": "required"}, "approval is legal for server and client only, not for human"),
        ({"executor": "human", "trust": "requires_approval"}, "approval is legal for server and client only"),
        ({"executor": "human", "trust": "user_configurable"}, "trust is legal for server and client only"),
        ({"executor": "provider"}, "made by provider_tool()"),
        ({"executor": "provider", "approval": "required"}, "approval is legal for server and client only"),
        ({"executor": "server", "approval": "maybe"}, "approval is one of auto, required, not 'maybe'"),
        ({"executor": "robot"}, "executor is one of server, human, client, provider, not 'robot'"),
        ({"trust": "blind"}, "trust is one of auto, user_configurable, requires_approval, not 'blind'"),
        ({"on_unknown_outcome": ["repeat"]}, "on_unknown_outcome is one of repeat, report"),
    ],
)
def test_illegal_cells(options: dict[str, Any], problem: str) -> None:
    assert problem in refusal(lambda: made(**options))


@pytest.mark.parametrize("executor", GATEABLE)
@pytest.mark.parametrize(
    ("given", "settled"),
    [
        ({}, ("auto", "auto")),
        ({"approval": "auto"}, ("auto", "auto")),
        ({"approval": "required"}, ("required", "requires_approval")),
        ({"trust": "auto"}, ("auto", "auto")),
        ({"trust": "requires_approval"}, ("required", "requires_approval")),
        ({"trust": "requires_approval", "approval": "required"}, ("required", "requires_approval")),
        ({"trust": "user_configurable"}, ("auto", "user_configurable")),
        ({"trust": "user_configurable", "approval": "auto"}, ("auto", "user_configurable")),
        ({"trust": "user_configurable", "approval": "required"}, ("required", "user_configurable")),
    ],
)
def test_approval_and_trust_settle_each_other(executor: Any, given: dict[str, Any], settled: tuple[str, str]) -> None:
    found = made(executor=executor, **given)
    assert (found.approval, found.trust) == settled


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"trust": "auto", "approval": "required"}, "trust 'auto' asks nobody"),
        ({"trust": "requires_approval", "approval": "auto"}, "cannot be lowered by approval 'auto'"),
    ],
)
def test_approval_and_trust_may_not_contradict(options: dict[str, Any], problem: str) -> None:
    assert problem in refusal(lambda: made(**options))


def test_decisions_belong_to_calls_that_may_be_gated() -> None:
    assert made(approval="required", decisions=["approve", "reject"]).decisions == ["approve", "reject"]
    assert made(trust="user_configurable", decisions=["approve"]).decisions == ["approve"]
    assert made(approval="required").decisions == (), "all"
    assert "may need an approval" in refusal(lambda: made(decisions=["approve"]))
    assert "may need an approval" in refusal(lambda: made(executor="human", decisions=["respond"]))


@pytest.mark.parametrize(
    ("decisions", "problem"),
    [
        (["approve", "nod"], "each of decisions is one of approve, edit, reject, respond, not 'nod'"),
        (["approve", "approve"], "without repetitions"),
        ("approve", "without repetitions"),
    ],
)
def test_decisions_that_do_not_exist(decisions: Any, problem: str) -> None:
    assert problem in refusal(lambda: made(approval="required", decisions=decisions))


def bounds() -> Iterator[tuple[dict[str, Any], str]]:
    for seconds in (0, -1, float("nan"), float("inf"), True, "60", None):
        yield {"timeout": seconds}, "timeout must be a positive number of seconds"
    for number in (-1, 1.5, True, "1", None):
        yield {"retries": number}, "retries must be a whole number"
    for number in (0, -1, 1.5, True, "1"):
        yield {"concurrency": number}, "concurrency must be a whole number"
    for executor in ("human", "client"):
        yield {"executor": executor, "retries": 1}, f"nothing of {executor} runs here"
        yield {"executor": executor, "concurrency": 1}, f"nothing of {executor} runs here"


@pytest.mark.parametrize(("options", "problem"), list(bounds()))
def test_bounds(options: dict[str, Any], problem: str) -> None:
    assert problem in refusal(lambda: made(**options))


def test_all_of_the_options() -> None:
    found = made(name="go", timeout=3, retries=2, concurrency=1, ray={"num_cpus": 0.5}, on_unknown_outcome="report")
    assert (found.name, found.timeout, found.retries, found.concurrency) == ("go", 3, 2, 1)
    assert (found.ray, found.on_unknown_outcome) == ({"num_cpus": 0.5}, "report")


def test_an_option_that_does_not_exist() -> None:
    assert "there is no option retry; known: name, executor, " in refusal(lambda: made(retry=3))


@pytest.mark.parametrize(
    ("ray", "problem"),
    [
        (1, "ray is a mapping"),
        ({"cpus": 1}, "each key of ray is one of num_cpus, num_gpus, memory, resources"),
        ({"max_retries": 3}, "each key of ray is one of"),
        ({"num_cpus": -1}, "num_cpus must be a number, 0 or more"),
        ({"num_gpus": "1"}, "num_gpus must be a number, 0 or more"),
        ({"memory": float("inf")}, "memory must be a number, 0 or more"),
        ({"resources": 1}, "resources must be a mapping"),
        ({"accelerator_type": 4}, "accelerator_type must be a text"),
    ],
)
def test_resources_of_a_remote_tool(ray: Any, problem: str) -> None:
    assert problem in refusal(lambda: made(ray=ray))


class Machine:
    """Callable, but not a function; its method is a bound one."""

    __name__ = "machine"

    def __call__(self, text: str) -> str:
        return text

    def turn(self, text: str) -> str:
        """Turn."""
        return text


def test_a_remote_tool_is_a_plain_function_of_the_server() -> None:
    async def work() -> None:
        """Work."""

    assert tool(ray={})(work).ray == {}
    assert "ray is for executor 'server'" in refusal(lambda: made(ray={}, executor="client"))
    assert "ray needs a plain function" in refusal(lambda: tool(ray={})(Machine().turn))


def test_a_tool_is_made_of_a_function_or_a_method() -> None:
    assert tool(Machine().turn).name == "turn"
    assert "made of a function" in refusal(lambda: tool(Machine()))


def test_questions_and_their_answers_are_for_people() -> None:
    def form(arguments: Any) -> dict[str, Any]:
        return {"questions": []}

    assert made(executor="human", form=form, check_answer=print).form is form
    for executor in GATEABLE:
        assert "for executor 'human'" in refusal(lambda executor=executor: made(executor=executor, form=form))
        assert "for executor 'human'" in refusal(lambda executor=executor: made(executor=executor, check_answer=print))


def test_a_function_that_yields_is_no_tool() -> None:
    def some() -> Iterator[int]:
        """Yield."""
        yield 1

    async def more() -> Any:
        """Yield."""
        yield 1

    assert "ToolContext.progress" in refusal(lambda: tool(some))
    assert "ToolContext.progress" in refusal(lambda: tool(more))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("no spaces", "web_search", {}), "the provider's type has"),
        (("", "web_search", {}), "the provider's type has"),
        (("web_search_20250305", "web search", {}), "a name has"),
        (("web_search_20250305", "web_search", {"type": "other"}), "the first argument"),
        (("web_search_20250305", "web_search", {"filter": object()}), "cannot be written as JSON"),
    ],
)
def test_a_tool_of_the_provider_is_checked_too(arguments: tuple[str, str, dict[str, Any]], problem: str) -> None:
    kind, name, options = arguments
    with pytest.raises((ToolDefinitionError, TypeError)) as caught:
        provider_tool(kind, name, **options)
    assert problem in str(caught.value)

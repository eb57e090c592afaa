"""Every field of an agent, a catalog and a middleware is checked where it is written; the error names the field."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agents.agent import Agent, Catalog, Expiries
from agents.errors import AgentDefinitionError, CatalogDefinitionError, MiddlewareDefinitionError
from agents.middleware.budget import Budget
from agents.middleware.compaction import Compaction
from agents.middleware.compaction.compaction import Thresholds
from agents.middleware.conversation_title import ConversationTitle
from agents.middleware.file_system import FileSystem
from agents.middleware.human_in_the_loop import HumanInTheLoop
from agents.middleware.parallel import Parallel
from agents.middleware.redaction import Redaction
from agents.middleware.retry import Retry
from agents.middleware.sub_agent import SubAgent
from agents.middleware.todo_list import TodoList
from agents.models import ScriptedModel
from agents.turn.draft import Limits

MODEL: Any = ScriptedModel([])
CLAUDE: Any = "claude-sonnet-4-5"


def plain(city: str) -> str:
    """A function without @tool."""
    return city


class Other:
    """None of ours."""


def analyst(**fields: Any) -> Agent:
    return Agent(**{"name": "analyst", "model": MODEL, **fields})


def mistakes() -> Iterator[tuple[dict[str, Any], str]]:
    other: Any = Other()
    yield {"name": ""}, "name is empty"
    yield {"name": None}, "name is a text, not None"
    yield {"model": CLAUDE}, "model is the text 'claude-sonnet-4-5': a model is made, such as AnthropicModel"
    yield {"model": ScriptedModel}, "model is no model but the class ScriptedModel"
    yield {"model": None}, "model is no model but None"
    yield {"models": [MODEL]}, "models is a mapping from names to models, not an object of list"
    yield {"models": {"large": CLAUDE}}, "models['large'] is the text 'claude-sonnet-4-5'"
    yield {"models": {1: MODEL}}, "each key of models is a text, not 1"
    yield {"description": 3}, "description is a text, not 3"
    yield {"description": "\ud83d"}, "description cannot be stored"
    yield {"suggestions": "What time is it?"}, "suggestions is a list or a tuple of texts, not 'What time is it?'"
    yield {"suggestions": [""]}, "suggestions[0] is empty"
    yield {"suggestions": ["hi", 3]}, "suggestions[1] is a text, not 3"
    yield {"suggestions": ["one\ntwo"]}, "suggestions[0] is one line of at most 120 characters, not 'one\\ntwo'"
    yield {"suggestions": ["x" * 121]}, "suggestions[0] is one line of at most 120 characters, not 'xxx"
    yield {"system_prompt": lambda: "hi"}, "system_prompt is a text, not the function <lambda>"
    yield {"tools": plain}, "tools is a list or a tuple of tools, not the function plain"
    yield {"tools": [plain]}, "tools[0] is no tool but the function plain: write @tool above it"
    yield {"tools": [other]}, "tools[0] is no tool but an object of Other"
    yield {"middleware": TodoList()}, "middleware is a list or a tuple of middleware, not an object of TodoList"
    yield {"middleware": [TodoList]}, "middleware[0] is the class TodoList, not one of its objects: write TodoList()"
    yield {"middleware": [TodoList(), other]}, "middleware[1] is no middleware but an object of Other"
    yield {"mcp": ["https://example.org"]}, "mcp[0] is no McpServer but 'https://example.org'"
    yield {"output": dict}, "output is a class derived from pydantic's BaseModel, not the class dict"
    yield {"until_tool": 1}, "until_tool is a text, not 1"
    yield {"placement": "here"}, "placement is one of auto, dedicated, shared, not 'here'"
    yield {"on_busy": "wait"}, "on_busy is one of reject, queue, interrupt, steer, not 'wait'"
    yield {"stays_while_watched": "no"}, "stays_while_watched is True or False, not 'no'"
    yield {"max_tokens": 0}, "max_tokens is a whole number, 1 or more, not 0"
    yield {"limits": 50}, "limits are Limits(...), not 50"
    yield {"limits": Limits(model_calls=0)}, "limits: model_calls is a whole number, 1 or more, not 0"
    yield {"expiries": 5}, "expiries are Expiries(...), not 5"
    yield {"expiries": Expiries(people=-1)}, "expiries: people is a number of seconds, not -1"


@pytest.mark.parametrize(("fields", "problem"), list(mistakes()))
def test_a_field_of_an_agent(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(AgentDefinitionError) as refused:
        analyst(**fields)
    assert problem in str(refused.value)
    assert str(refused.value).startswith(f"agent {fields.get('name', 'analyst')}: ")


def catalogs() -> Iterator[tuple[Callable[[], Catalog], str]]:
    agent: Any = analyst()
    yield lambda: Catalog({"clerk": agent}), "what it has as 'clerk' is the agent analyst: both names must be the same"
    yield lambda: Catalog({"analyst": MODEL}), "what it has as 'analyst' is no Agent but an object of ScriptedModel"
    yield lambda: Catalog([agent], default="clerk"), "its default 'clerk' is none of its agents, which are analyst"
    yield lambda: Catalog(agent), "agents are a list or a mapping of agents, not an object of Agent"
    yield lambda: Catalog([agent, MODEL]), "agents[1] is no Agent but an object of ScriptedModel"
    yield lambda: Catalog({}), "a catalog needs an agent"
    yield lambda: Catalog([agent], context=agent), "context is a function, not an object of Agent"


@pytest.mark.parametrize(("make", "problem"), list(catalogs()))
def test_a_field_of_a_catalog(make: Callable[[], Catalog], problem: str) -> None:
    with pytest.raises(CatalogDefinitionError) as refused:
        make()
    assert str(refused.value) == f"catalog: {problem}"


def middleware() -> Iterator[tuple[Callable[[], object], str]]:
    wrong: Any = Other()
    text: Any = "3"
    yield lambda: SubAgent(wrong), "SubAgent: agents is a list or a tuple of agents, not an object of Other"
    yield lambda: SubAgent([wrong]), "SubAgent: agents[0] is no Agent but an object of Other"
    yield lambda: SubAgent([analyst()], timeout=0), "SubAgent: timeout is a positive number of seconds, not 0"
    yield lambda: SubAgent([analyst()], max_depth=text), "SubAgent: max_depth is a whole number, not '3'"
    yield lambda: Parallel(wrong), "Parallel: members[0] is no middleware but an object of Other"
    yield lambda: Budget(conversation_tokens=text), "Budget: conversation_tokens is a whole number, not '3'"
    yield lambda: Retry(fallbacks=[CLAUDE]), "Retry: fallbacks[0] is the text 'claude-sonnet-4-5'"
    yield lambda: Retry(fallbacks=MODEL), "Retry: fallbacks is a list or a tuple of models"
    yield lambda: Retry(tools={"search": text}), "Retry: tools['search'] is a whole number, 0 or more, not '3'"
    yield lambda: Compaction(CLAUDE), "Compaction: model is the text 'claude-sonnet-4-5'"
    yield lambda: Compaction(thresholds=wrong), "Compaction: thresholds are Thresholds(...), not an object of Other"
    yield lambda: Compaction(thresholds=Thresholds(stub=text)), "Compaction: thresholds: stub is a whole number"
    yield lambda: ConversationTitle(CLAUDE), "ConversationTitle: model is the text 'claude-sonnet-4-5'"
    yield lambda: ConversationTitle(title_of=text), "ConversationTitle: title_of is a function, not '3'"
    yield lambda: HumanInTheLoop(text), "HumanInTheLoop: interrupt_on is a mapping from names of tools"
    yield lambda: HumanInTheLoop({"drop": text}), "HumanInTheLoop: interrupt_on['drop'] is a list or a tuple"
    yield lambda: Redaction([wrong]), "Redaction: patterns[0] is no Pattern but an object of Other"
    yield lambda: FileSystem(text), "FileSystem: mounts is a mapping such as"
    yield lambda: FileSystem({"mine": wrong}), 'FileSystem: mounts[\'mine\'] is "conversation", "user", "project" or'
    yield lambda: FileSystem(read_only=text), "FileSystem: read_only is a list or a tuple of paths, not '3'"


@pytest.mark.parametrize(("make", "problem"), list(middleware()))
def test_an_argument_of_a_middleware(make: Callable[[], object], problem: str) -> None:
    with pytest.raises(MiddlewareDefinitionError) as refused:
        make()
    assert str(refused.value).startswith(f"middleware {problem}")

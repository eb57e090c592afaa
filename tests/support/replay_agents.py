"""The agents of the tests of replays: `echo` says what it heard, `loud` says it in capitals, `clerk` uses a tool."""

from collections import Counter

from agents.agent import Agent, Catalog
from agents.models import Call, ModelRequest, ScriptedModel, Step
from agents.models.scripted.message_history import turn_of, user_texts
from agents.tools import tool
from deployments.settings import Settings

ASKED: Counter[str] = Counter()
"""How often the loud model was asked for each message, in this process."""
WRITTEN: list[str] = []


def echo(request: ModelRequest) -> Step:
    return Step(f"you said {user_texts(request.messages)[-1]}")


def shout(request: ModelRequest) -> Step:
    words = user_texts(request.messages)[-1]
    ASKED[words] += 1
    return Step(f"YOU SAID {words.upper()}")


@tool
def write(line: str) -> str:
    """Write a line in the ledger."""
    WRITTEN.append(line)
    return "written"


def clerk(request: ModelRequest) -> Step:
    turn = turn_of(request)
    return Step("done") if turn.results else Step(calls=[Call("write", {"line": turn.prompt})])


def judge(request: ModelRequest) -> Step:
    return Step.json({"a": 5, "b": 5, "reason": "They are alike."})


def catalog(_: Settings) -> Catalog:
    """Named by RAYLOGUE_AGENTS."""
    return Catalog(
        [
            Agent(name="echo", model=ScriptedModel(echo)),
            Agent(name="loud", model=ScriptedModel(shout, name="loud-1")),
            Agent(name="clerk", model=ScriptedModel(clerk), tools=[write]),
            Agent(name="judge", model=ScriptedModel(judge)),
        ],
        default="echo",
    )

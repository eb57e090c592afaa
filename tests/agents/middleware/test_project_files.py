"""The files of a project: a conversation names it, its members use it, and sub-agents are in it."""

from dataclasses import replace

import pytest

from agents.agent import Agent
from agents.errors import AgentDefinitionError, MiddlewareDefinitionError
from agents.middleware.file_system import FileSystem
from agents.models import Call, ScriptedModel, Step
from agents.turn.inputs import UserMessage
from store import Scope
from tests.support.conversations import World, rest, results, text
from tests.support.sub_agent_world import boss, child_of, task

ID = "acme/apollo"
STEPS = (Step(calls=[Call("create_file", {"path": "team/plan.md", "content": "moon"})]), Step("done"))


def clerk(mounted: object = "project") -> Agent:
    files = FileSystem({"": "conversation", "team": mounted})  # type: ignore[dict-item]
    return Agent(name="clerk", model=ScriptedModel(STEPS), middleware=(files,))


async def ask(world: World, agent: Agent, project: str | None, principal: str = "acme/ada") -> list[tuple[str, str]]:
    """What the calls of a new conversation of Ada's return when this person speaks."""
    name = f"{project}-{principal}-{agent.name}"
    await world.store.registry.create(name, agent=agent.name, principal="acme/ada", project=project, now=1)
    conversation = await world.open(agent, name)
    await conversation.send(UserMessage(content=text("go"), principal=principal))
    assert await rest(conversation) == "idle"
    return results(await world.events(name))


async def files(world: World, scope: Scope) -> list[str]:
    return [info.path for info in await world.store.files.list(scope)]


@pytest.mark.parametrize("mounted", ["project", ("project", "of-the-code")])
async def test_the_conversation_says_which(world: World, mounted: object) -> None:
    await world.store.projects.use(ID, "acme/ada")
    assert (await ask(world, clerk(mounted), "apollo"))[0][0] == "ok"
    assert await files(world, Scope("project", ID)) == ["plan.md"]
    assert await files(world, Scope("project", "of-the-code")) == []


async def test_without_a_project_that_of_the_code_counts(world: World) -> None:
    assert (await ask(world, clerk(("project", "of-the-code")), None))[0][0] == "ok"
    assert await files(world, Scope("project", "of-the-code")) == ["plan.md"]


async def test_without_any_there_are_no_such_files(world: World) -> None:
    [(status, content)] = await ask(world, clerk(), None)
    assert (status, "files of a project" in content) == ("error", True)
    assert await files(world, Scope("conversation", "None-acme/ada-clerk")) == []
    only = replace(clerk(), name="only", middleware=(FileSystem({"": "project"}),))
    assert await ask(world, only, None, "acme/bob") == [
        ("error", "'team/plan.md' is not a path for a file: there are no files for you here.")
    ]


async def test_they_are_for_the_members_that_speak(world: World) -> None:
    await world.store.projects.use(ID, "acme/ada")
    await world.store.projects.add(ID, "acme/bob", 10)
    only = replace(clerk(), middleware=(FileSystem({"team": "project"}),))
    assert (await ask(world, only, "apollo", "acme/bob"))[0][0] == "ok"
    assert (await ask(world, only, "apollo", "acme/eve"))[0][0] == "error"
    await world.store.files.delete(Scope("project", ID), "plan.md", expected_version=None)
    await world.store.projects.remove(ID, "acme/bob")
    again = replace(only, name="again")
    assert (await ask(world, again, "apollo", "acme/bob"))[0][0] == "error", "no longer"
    assert (await ask(world, again, "apollo", "acme/ada"))[0][0] == "ok"


async def test_sub_agents_are_in_it(world: World) -> None:
    await world.store.projects.use(ID, "acme/ada")
    root = boss(clerk(), calls=[task("clerk", "write")])
    await ask(world, root, "apollo")
    child = await child_of(world, "apollo-acme/ada-boss")
    assert (child.project, child.project_id) == ("apollo", ID)
    assert await files(world, Scope("project", ID)) == ["plan.md"]


async def test_the_model_is_told_of_the_files_that_there_are(world: World) -> None:
    seen: list[str] = []

    def look(request: object) -> Step:
        seen.append(request.system)  # type: ignore[attr-defined]
        return Step("ok")

    agent = replace(clerk(("project", "of-the-code")), model=ScriptedModel(look))
    await world.store.projects.use(ID, "acme/ada")
    for project, principal in (("apollo", "acme/ada"), ("apollo", "acme/eve"), (None, "acme/eve")):
        await ask(world, agent, project, principal)
    assert ["files of the project apollo" in system for system in seen] == [True, False, False]
    assert ["of-the-code" in system for system in seen] == [False, False, True]


def test_mistakes() -> None:
    with pytest.raises((MiddlewareDefinitionError, AgentDefinitionError), match='"project" or'):
        clerk(("project", 7))

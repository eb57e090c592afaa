"""Lesson 0: a script of ten lines talks to an agent, without Redis, Ray or a key; the service takes agents as short."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.house.tree import ROOT

SCRIPTS = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)

SCRIPT = """\
import asyncio
from agents import Agent, ScriptedModel, Step, local_conversations

agent = Agent(name="greeter", model=ScriptedModel([Step("Hello!"), Step("Goodbye.")]))

async def main():
    async with local_conversations(agent, data_dir="data") as conversations:
        conversation = await conversations.open("demo")
        print(await conversation.ask("hello"))

asyncio.run(main())
"""

MY_AGENTS = """\
from agents import Agent, AnthropicModel, Call, Catalog, ScriptedModel, Step, tool


@tool
def in_stock(article: str) -> int:
    \"""Count what is left of an article.\"""
    return {"tea": 3, "coffee": 0}.get(article, 0)


def play(request):
    \"""What a model might answer, for as long as there is no key.\"""
    if "tool_result" in str(request.messages[-1]):
        return Step("That is what is left.")
    return Step(calls=[Call("in_stock", {"article": "tea"})])


def catalog(settings):
    key = settings.anthropic_api_key
    model = AnthropicModel(settings.model, api_key=key.get_secret_value()) if key else ScriptedModel(play)
    return Catalog([Agent(name="shop", model=model, system_prompt="You sell hot drinks.", tools=[in_stock])])
"""

SERVED = """\
from deployments.process.agents import catalog
from deployments.settings import Settings

served = catalog(Settings())
print(served.default, served.get("shop").model.name)
"""


def run(script: str, directory: Path, **environment: str) -> str:
    """What a script prints that is started in this directory."""
    file = directory / "script.py"
    file.write_text(script)
    done = subprocess.run(
        [sys.executable, file.name],
        cwd=directory,
        env={name: value for name, value in os.environ.items() if "ANTHROPIC" not in name} | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_it_answers_and_remembers_when_it_is_run_again(tmp_path: Path) -> None:
    assert run(SCRIPT, tmp_path) == "Hello!\n"

    # The data directory has the conversation: the second run goes on where the first one has ended.
    assert run(SCRIPT, tmp_path) == "Goodbye.\n"


def test_the_service_takes_agents_from_a_module_in_the_directory_it_is_started_in(tmp_path: Path) -> None:
    (tmp_path / "my_agents.py").write_text(MY_AGENTS)
    assert run(SERVED, tmp_path, RAYLOGUE_AGENTS="my_agents:catalog") == "shop scripted\n"

    # With a key the same agent is on Claude.
    with_key = {"RAYLOGUE_AGENTS": "my_agents:catalog", "ANTHROPIC_API_KEY": "k", "RAYLOGUE_MODEL": "claude-sonnet-4-5"}
    assert run(SERVED, tmp_path, **with_key) == "shop claude-sonnet-4-5\n"


def test_the_scripts_in_the_readme_run_as_they_stand(tmp_path: Path) -> None:
    for script in SCRIPTS.findall((ROOT / "README.md").read_text()):
        printed = run(script, tmp_path)
        assert printed or "asyncio.run" not in script, "a script that talks to an agent shows what it says"

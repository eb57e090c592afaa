"""Lesson 0: a script of ten lines talks to an agent; it needs no Redis, no Ray and no key."""

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


def run(script: str, directory: Path) -> str:
    """What a script prints that is started in this directory."""
    file = directory / "script.py"
    file.write_text(script)
    command = [sys.executable, file.name]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_it_answers_and_remembers_when_it_is_run_again(tmp_path: Path) -> None:
    assert run(SCRIPT, tmp_path) == "Hello!\n"

    # The data directory has the conversation: the second run goes on where the first one has ended.
    assert run(SCRIPT, tmp_path) == "Goodbye.\n"


def test_the_scripts_in_the_readme_run_as_they_stand(tmp_path: Path) -> None:
    for script in SCRIPTS.findall((ROOT / "README.md").read_text()):
        printed = run(script, tmp_path)
        assert printed or "asyncio.run" not in script, "a script that talks to an agent shows what it says"

"""A newcomer's first hour, as docs/first_hour.md tells it: `python -m tests.support.first_hour` writes that page anew.

The machines are containers (tests/support/containers.py), so every command runs as it stands, with the ports and the
folders that people have. Only `make venv` finds its work done.
"""

import re
import tempfile
from pathlib import Path

from tests.support.containers import HOME, ROOT, Container, copy_of_the_repository
from tests.support.documented_cluster import Machines
from tests.support.transcript import Terminal, Transcript

PAGE = ROOT / "docs" / "first_hour.md"
NETWORK = "192.0.2"
LAPTOP, SECOND, REDIS = f"{NETWORK}.1", f"{NETWORK}.11", f"{NETWORK}.20"
FOLDER = f"{HOME}/raylogue"
APPROVE = re.compile(r"raylogue (approve \S+ \S+)")
KEY = re.compile(r"(rl_\S+)")
CONVERSATION = re.compile(r"Conversation (\S+)")

CLERK = '''\
from agents import Agent, Call, Catalog, ScriptedModel, Step, tool
from agents.models.scripted.message_history import tool_returns, user_texts


@tool(approval="required")
async def order(item: str) -> str:
    """Order something for the office."""
    return f"ordered {item}"


def answer(request) -> Step:
    if results := tool_returns(request.messages):
        return Step(f"Done: {results[-1].text}.")
    said = user_texts(request.messages)
    if said[-1].startswith("order "):
        return Step(calls=[Call("order", {"item": said[-1].removeprefix("order ")})])
    return Step(f"You have sent {len(said)}. The first was: {said[0]}")


def catalog(settings) -> Catalog:
    return Catalog([Agent(name="clerk", model=ScriptedModel(answer), tools=[order])])
'''
FIRST, SECOND_ANSWER, THIRD = "You have sent", "I have heard", "There have been"
DOCSTRING = '    """Order something for the office."""\n'
SETTINGS = f"""\
RAYLOGUE_REDIS_URL=redis://{REDIS}:6379/0
RAYLOGUE_AUTH=keys
RAYLOGUE_AGENTS=clerk:catalog
PYTHONPATH={FOLDER}
RAY_SERVE_HAPROXY_BINARY_PATH={FOLDER}/.venv/bin/raylogue-haproxy
"""
STARTED = "runtime started"
NODE = "set -a && . deployments/ray.env && . ./cluster.env && set +a"


def tell() -> str:
    """Live through the hour; the page."""
    hour = Transcript(FOLDER)
    with tempfile.TemporaryDirectory(prefix="rl-") as directory, Machines(Path(directory)) as machines:
        laptop = machines.add("laptop", LAPTOP)
        copy_of_the_repository(laptop)
        laptop.environment = {"COLUMNS": "110", "RAYLOGUE_WARM_WORKERS": "0"}  # the page tells nothing of such workers
        _introduce(hour)
        try:
            _start(hour, laptop)
            conversation_id = _write_an_agent(hour, laptop)
            _keep_a_copy(hour, laptop, conversation_id)
            second = machines.add("second", SECOND)
            second.environment = laptop.environment
            _become_a_cluster(hour, laptop, second)
        except Exception as error:
            error.add_note(hour.text())
            raise
        return hour.text()


def _introduce(hour: Transcript) -> None:
    hour.say(
        """
        # The first hour

        What one types in the first hour with Raylogue, and what comes of it. This page is a transcript:
        `python -m tests.support.first_hour` writes it, on two machines that are containers, and a test sees to it that
        it is still true. Times, ids and keys are replaced by some that stay. You have cloned the repository, and are in
        its folder, in two terminals. No key of a model's provider is needed.
        """
    )


def _start(hour: Transcript, laptop: Container) -> None:
    service = Terminal(laptop, FOLDER, "first")
    hour.say(
        """
        ## It runs

        In the first terminal (an earlier `make` has made the environment; the first time takes a minute longer):
        """
    )
    hour.start(service, "make run", until="Ctrl-C")
    hour.say("The page is at the first address. In the second terminal, without the page:")
    hour.type(laptop, '.venv/bin/raylogue send "what is 6*7?"')
    hour.say("Ctrl-C in the first terminal ends all of it. What was said stays in `.raylogue`.")
    hour.interrupt(service)


def _write_an_agent(hour: Transcript, laptop: Container) -> str:
    service = Terminal(laptop, FOLDER, "first")
    hour.say(
        """
        ## An agent of one's own

        Write `clerk.py`, here into this folder. A person must approve each order. A model would decide what to say;
        this one plays a script, so that all of this works without a key.
        """
    )
    hour.write(laptop, "clerk.py", CLERK)
    hour.start(service, ".venv/bin/raylogue dev clerk:catalog", until="Watching")
    said = hour.type(laptop, '.venv/bin/raylogue send "order two boxes of pens"')
    hour.say("The call waits, for a day if need be, and no process has to live for that. Approve it:")
    hour.type(laptop, f".venv/bin/raylogue {_found(APPROVE, said)}")
    conversation_id = _found(CONVERSATION, said)
    hour.say("On the page one sees the order being carried out. In the terminal, go on with the conversation:")
    hour.type(laptop, f'.venv/bin/raylogue send -c {conversation_id} "what did I say?"')
    hour.say(
        """
        ## A mistake

        Take the docstring of `order` away, which tells the model what the tool is for, and save. The first terminal
        says:
        """
    )
    _save(laptop, CLERK.replace(DOCSTRING, ""))
    hour.show(service, until="keeps running")
    hour.say("Nothing else has happened. Put it back, have the answer begin with `I have heard`, and save:")
    _save(laptop, CLERK.replace(FIRST, SECOND_ANSWER))
    hour.show(service, until="Reloaded")
    hour.type(laptop, f'.venv/bin/raylogue send -c {conversation_id} "and now?"')
    hour.interrupt(service)
    return conversation_id


def _keep_a_copy(hour: Transcript, laptop: Container, conversation_id: str) -> None:
    service = Terminal(laptop, FOLDER, "first")
    hour.say("## A copy, and back\n\nIt may run meanwhile, or not as here. Then lose everything:")
    hour.type(laptop, ".venv/bin/raylogue backup ~/copy")
    hour.type(laptop, "rm -r .raylogue")
    hour.type(laptop, ".venv/bin/raylogue restore ~/copy")
    hour.start(service, "RAYLOGUE_AGENTS=clerk:catalog make run", until="Ctrl-C")
    hour.type(laptop, f'.venv/bin/raylogue send -c {conversation_id} "are you back?"')
    hour.interrupt(service)


def _become_a_cluster(hour: Transcript, laptop: Container, second: Container) -> None:
    hour.say(
        f"""
        ## Two machines

        A cluster needs a Redis or Valkey that all machines reach, here at {REDIS}; what this machine is told, all
        others must be told, so it stands in a file. For more than two machines, and for clouds, `ray up` does all of
        this ([operations.md](operations.md#before-you-start)).
        """
    )
    laptop.path(f"{FOLDER}/cluster.env").write_text(SETTINGS)
    hour.type(laptop, "cat cluster.env")
    hour.say("Each shell on a node is told, before anything else:")
    hour.type(laptop, NODE)
    start = f".venv/bin/ray start --head --node-ip-address={LAPTOP} --disable-usage-stats"
    hour.type(laptop, start, before=NODE, keep=STARTED)
    hour.type(laptop, ".venv/bin/raylogue deploy", before=NODE)
    hour.say("Others can reach it now, so it asks for a key. Make one, and keep it in the environment:")
    key = hour.type(laptop, ".venv/bin/raylogue keys create ada --tenant acme", before=NODE)
    laptop.environment = {**laptop.environment, "RAYLOGUE_API_KEY": _found(KEY, key)}
    hour.type(laptop, "export RAYLOGUE_API_KEY=rl_abcdefgh2345_…")
    conversation_id = _found(CONVERSATION, hour.type(laptop, '.venv/bin/raylogue send "hello"'))
    hour.say("The second machine has the same files in the same folder, and the same token of the Ray cluster:")
    _copy_to(laptop, second)
    join = f".venv/bin/ray start --address={LAPTOP}:6379 --node-ip-address={SECOND}"
    hour.type(second, join, before=NODE, keep=STARTED)
    hour.type(laptop, ".venv/bin/ray status", before=NODE, keep=r"^ \d node_", times=2)
    hour.say("New code goes to all machines, then it is released. Turns are finished by the code they began with.")
    for machine in (laptop, second):
        _save(machine, CLERK.replace(FIRST, THIRD))
    hour.type(laptop, ".venv/bin/raylogue deploy", before=NODE)
    hour.type(laptop, f'.venv/bin/raylogue send -c {conversation_id} "and now?"')
    for machine in (second, laptop):
        machine.run(f"cd {FOLDER} && .venv/bin/ray stop")


def _found(pattern: re.Pattern[str], said: str) -> str:
    found = pattern.search(said)
    assert found is not None, said
    return found[1]


def _save(machine: Container, code: str) -> None:
    machine.path(f"{FOLDER}/clerk.py").write_text(code)


def _copy_to(laptop: Container, second: Container) -> None:
    """What a person would do with rsync."""
    copy_of_the_repository(second, ("clerk.py", CLERK), ("cluster.env", SETTINGS))
    token = second.path("~/.ray/auth_token")
    token.parent.mkdir(mode=0o700)
    token.write_bytes(laptop.path("~/.ray/auth_token").read_bytes())
    token.chmod(0o600)


if __name__ == "__main__":
    PAGE.write_text(tell())

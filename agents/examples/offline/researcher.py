"""The scripts of the researcher and its scouts: a plan, two tasks at once, a report."""

import re

from agents.models import Call, ModelRequest, Step
from agents.models.scripted.message_history import Turn, turn_of

HELP = """\
I am the researcher, offline: a small script. Say *research the history of tea*: I plan, send out two scouts at the same
time, whose own conversations you can open, and write what they bring back into a file."""
REQUEST = re.compile(
    r"\b(?:research|investigate|find out|look into|report on|write about|compare)\b[:,]?\s+(?:(?:about|on)\s+)?(.+)",
    re.IGNORECASE | re.DOTALL,
)
ASPECTS = ("the background", "the open questions")
MAX_NAME = 40


def researcher_script(request: ModelRequest) -> Step:
    """The next step: plan, delegate, write, report."""
    turn = turn_of(request)
    wanted = REQUEST.search(turn.prompt)
    if wanted is None:
        return Step(HELP)
    topic = wanted[1].strip().rstrip(".!?")
    return (_plan, _delegate, _write, _report)[min(turn.step, 3)](turn, topic)


def scout_script(request: ModelRequest) -> Step:
    """The findings of a scout."""
    task = turn_of(request).prompt.rstrip(".")
    return Step(
        f"{task}: without a model I know nothing of it, and say so. With one connected, findings with their sources "
        "stand here."
    )


def _plan(turn: Turn, topic: str) -> Step:
    return Step(f"I will look into {topic} from two sides.", [_todos(topic, done=0)])


def _delegate(turn: Turn, topic: str) -> Step:
    prompts = [f"Find out about {aspect} of {topic}" for aspect in ASPECTS]
    return Step(
        "Two scouts are on their way.", [Call("task", {"agent": "scout", "prompt": prompt}) for prompt in prompts]
    )


def _write(turn: Turn, topic: str) -> Step:
    found = [
        f"## {aspect.capitalize()}\n\n{result.text}"
        for aspect, result in zip(ASPECTS, turn.results_of("task"), strict=False)
    ]
    report = "\n\n".join([f"# {topic[:1].upper()}{topic[1:]}", *found]) + "\n"
    return Step(
        "Now I write it down.",
        [Call("create_file", {"path": _path(topic), "content": report}), _todos(topic, done=3)],
    )


def _report(turn: Turn, topic: str) -> Step:
    written = turn.results_of("create_file")[-1]
    if written.failed:
        return Step(f"I have looked into {topic}, but the report could not be written: {written.text}")
    return Step(f"The report is in `{_path(topic)}`. In short: two scouts looked into {topic} and came back.")


def _todos(topic: str, done: int) -> Call:
    steps = (*(f"Find out about {aspect}" for aspect in ASPECTS), f"Write the report on {topic}")
    states = ["completed" if at < done else "in_progress" if at == done else "pending" for at in range(len(steps))]
    todos = [{"text": text[:200], "status": state} for text, state in zip(steps, states, strict=True)]
    return Call("write_todos", {"todos": todos})


def _path(topic: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", topic.lower()).strip("-")[:MAX_NAME].rstrip("-")
    return f"reports/{name or 'report'}.md"

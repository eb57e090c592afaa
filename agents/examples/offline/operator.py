"""The script of the operator: it looks, says what it found, and asks before it changes anything."""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from agents.models import Call, ModelRequest, Step
from agents.models.scripted.message_history import Turn, turn_of

HELP = """\
I am the operator, offline: a small script. I look after three make-believe services, `api`, `worker` and `database`:

- *how is the api?* – I look it up
- *analyse the logs of the worker* – runs as a task of its own on the cluster
- *scale the api to 5* – you approve it, or correct the number
- *restart the api* – you approve or reject it; *restart it* – I ask which one"""
SERVICE = re.compile(r"\b(api|worker|database)\b", re.IGNORECASE)
NUMBER = re.compile(r"\b([1-9]\d?)\b")
RESTART = re.compile(r"\b(?:restart|reboot)\b", re.IGNORECASE)
SCALE = re.compile(r"\b(?:scale|replicas?)\b", re.IGNORECASE)
LOGS = re.compile(r"\blogs?\b", re.IGNORECASE)
STATUS = re.compile(r"\b(?:status|health|how (?:is|are|does)|look)\b", re.IGNORECASE)
QUESTION = {
    "id": "service",
    "prompt": "Which service do you mean?",
    "options": [
        {"label": "api", "description": "what customers talk to"},
        {"label": "worker", "description": "what runs in the background"},
        {"label": "database", "description": "what both of them need"},
    ],
}


def operator_script(request: ModelRequest) -> Step:
    """The next step: find out which service is meant, look at it, act, report."""
    turn = turn_of(request)
    if not any(pattern.search(turn.prompt) for pattern in (RESTART, SCALE, LOGS, STATUS)):
        return Step(HELP)
    service = _service(turn)
    if service is None:
        return _ask(turn)
    if LOGS.search(turn.prompt):
        return _analyse(turn, service)
    if not turn.results_of("service_status"):
        return Step(f"Let me look at the {service} first.", [Call("service_status", {"service": service})])
    return _act(turn, service)


def _service(turn: Turn) -> str | None:
    """The service that the user named, or chose when asked."""
    answers = [result.text for result in turn.results_of("ask_user") if not result.failed]
    named = SERVICE.search(turn.prompt) or (SERVICE.search(answers[-1]) if answers else None)
    return named[1].lower() if named else None


def _ask(turn: Turn) -> Step:
    if turn.results_of("ask_user"):
        return Step("Then I leave everything as it is.")
    return Step("I look after three services.", [Call("ask_user", {"questions": [QUESTION]})])


def _analyse(turn: Turn, service: str) -> Step:
    if not (results := turn.results_of("analyse_logs")):
        return Step("I will count the errors; that takes a moment.", [Call("analyse_logs", {"service": service})])
    found = _object(results[-1].text)
    if results[-1].failed or not found:
        return Step(f"The logs could not be analysed: {results[-1].text}")
    causes = [f"- {cause}: {count}" for cause, count in found["causes"].items()]
    return Step("\n".join([f"In the last {found['lines']} lines of the {service}'s log:\n", *(causes or ["- none"])]))


def _act(turn: Turn, service: str) -> Step:
    """The change that the user asked for, or a report of the status."""
    found = _object(turn.results_of("service_status")[-1].text)
    report = (
        f"The **{service}** is {found.get('health')}: {found.get('replicas')} replicas, "
        f"{found.get('errors_per_minute')} errors a minute."
    )
    number = NUMBER.search(turn.prompt)
    if RESTART.search(turn.prompt):
        return _change(turn, report, Call("restart_service", {"service": service}))
    if SCALE.search(turn.prompt) and number:
        return _change(turn, report, Call("scale_service", {"service": service, "replicas": int(number[1])}))
    return Step(report)


def _change(turn: Turn, report: str, call: Call) -> Step:
    if not (results := turn.results_of(call.name)):
        return Step(f"{report} It will change as soon as you approve.", [call])
    if results[-1].failed:
        return Step(f"It was not done, or nobody can tell: {results[-1].text}")
    done = ", ".join(f"{name} {value}" for name, value in _object(results[-1].text).items())
    return Step(f"Done: {done}.")


def _object(text: str) -> Mapping[str, Any]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}

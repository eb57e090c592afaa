"""Looks after services: it reads freely and asks before it changes anything; start here for tools that can do harm."""

from collections import Counter
from typing import Annotated

from pydantic import Field

from agents.agent import Agent
from agents.examples import fleet
from agents.examples.fleet import ServiceName
from agents.middleware.ask_user import AskUser
from agents.middleware.compaction import Compaction
from agents.models import Model
from agents.tools import ToolContext, tool

PROMPT = """\
You look after the services api, worker and database. Look before you act: check the status, and the logs if that is not
enough, and say what you found and why you want to change something. If it is not clear which service is meant, ask.
People confirm what you change; when one refuses, do not try another way. If the outcome of a call is unknown, check the
status before you say anything about it.
"""


@tool(timeout=10)
def service_status(service: ServiceName) -> dict[str, object]:
    """Look up the health, replicas and error rate of a service."""
    return fleet.status(service)


# A remote tool: with Ray it runs as a task on any node that has a free processor.
@tool(ray={"num_cpus": 1}, timeout=120, concurrency=2)
def analyse_logs(
    service: ServiceName,
    context: ToolContext,
    lines: Annotated[int, Field(ge=1, le=1_000_000)] = 100_000,
) -> dict[str, object]:
    """Count the causes of errors in the last lines of a service's log."""
    causes: Counter[str] = Counter()
    for number, line in enumerate(fleet.log_lines(service, lines)):
        if " error " in line:
            causes[line.partition(" error ")[2]] += 1
        if number % 50_000 == 0:
            context.progress({"lines_read": number})
    return {"service": service, "lines": lines, "causes": dict(causes.most_common(3))}


# No user can switch this approval off. If a crash leaves open whether the call ran, it is reported, not repeated.
@tool(
    trust="requires_approval",
    decisions=("approve", "reject"),
    on_unknown_outcome="report",
    timeout=60,
)
def restart_service(service: ServiceName, context: ToolContext) -> dict[str, object]:
    """Restart a service; for some seconds its callers are cut off."""
    return {"restarted": service, "approved_by": context.principal}


# Each user may choose whether to be asked; the approver may also correct the number.
@tool(trust="user_configurable", approval="required", decisions=("approve", "edit", "reject"), timeout=60)
def scale_service(service: ServiceName, replicas: Annotated[int, Field(ge=1, le=20)]) -> dict[str, object]:
    """Change how many replicas of a service run."""
    return {"service": service, "replicas": replicas, "before": fleet.REPLICAS[service]}


def operator(model: Model) -> Agent:
    """An operator on `model`."""
    return Agent(
        name="operator",
        description="looks after services, and asks before it changes anything",
        suggestions=("How is the api?", "Analyse the logs of the worker", "Scale the api to 5", "Restart it"),
        model=model,
        system_prompt=PROMPT,
        tools=(service_status, analyse_logs, restart_service, scale_service),
        middleware=(AskUser(), Compaction()),
        on_busy="steer",
    )

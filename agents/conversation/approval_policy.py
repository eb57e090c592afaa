"""Which calls need an approval: the definition's word, or the choice of the person for whom the turn runs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import structlog

from agents.agent import Expiries
from agents.services import Services
from agents.tools import Tool
from agents.turn.events import Approval
from agents.turn.inputs import ProposedCall

log = structlog.get_logger(__name__)


def approval_preference(tool: str) -> str:
    """The name of a person's choice for a tool: its value is an approval, `auto` or `required`."""
    return f"approval:{tool}"


async def gate(
    calls: Sequence[ProposedCall], tools: Mapping[str, Tool], services: Services, principal: str | None
) -> Sequence[ProposedCall]:
    """The calls with the approval they need; where that cannot be found out, they need one."""
    return [await _gated(call, tools.get(call.name), services, principal) for call in calls]


def upheld(calls: Sequence[ProposedCall], tools: Mapping[str, Tool]) -> Sequence[ProposedCall]:
    """The calls as middleware left them, but for gates that nobody may open."""
    firm = {name for name, tool in tools.items() if tool.trust == "requires_approval"}
    return [replace(call, approval="required") if call.name in firm else call for call in calls]


def timed(calls: Sequence[ProposedCall], now: int, expiries: Expiries) -> Sequence[ProposedCall]:
    """The calls with the time until which the outside may answer: a program has less of it than people."""
    return [replace(call, expires_at=now + round(_seconds(call, expiries) * 1000)) for call in calls]


async def _gated(call: ProposedCall, tool: Tool | None, services: Services, principal: str | None) -> ProposedCall:
    if tool is None or call.executor in ("human", "provider"):
        return call
    if tool.trust == "requires_approval":
        return replace(call, approval="required")
    if tool.trust == "user_configurable":
        chosen = await _chosen(tool, services, principal)
        return replace(call, approval=chosen)
    return call


async def _chosen(tool: Tool, services: Services, principal: str | None) -> Approval:
    try:
        choice = await services.store.preferences.get(principal or "", approval_preference(tool.name))
    except Exception as error:  # noqa: BLE001 - whatever it is: what cannot be found out is not allowed
        log.warning("choice_unknown", tool=tool.name, cause=str(error))
        return "required"
    if choice is None:
        return tool.approval
    return "auto" if choice == "auto" else "required"


def _seconds(call: ProposedCall, expiries: Expiries) -> float:
    return expiries.client if call.executor == "client" and call.approval == "auto" else expiries.people

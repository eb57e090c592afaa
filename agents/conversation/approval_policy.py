"""Which calls need an approval, by their tool's definition or by the choice of the person for whom the turn runs."""

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


async def require_approval(
    calls: Sequence[ProposedCall], tools: Mapping[str, Tool], services: Services, principal: str | None
) -> Sequence[ProposedCall]:
    """The calls with the approval that each needs; a call needs one if its person's choice cannot be read."""
    return [await _decide_approval(call, tools.get(call.name), services, principal) for call in calls]


def enforce_approval(calls: Sequence[ProposedCall], tools: Mapping[str, Tool]) -> Sequence[ProposedCall]:
    """The calls as middleware left them, with the approvals restored that nothing may lower."""
    strict = {name for name, tool in tools.items() if tool.trust == "requires_approval"}
    return [replace(call, approval="required") if call.name in strict else call for call in calls]


def with_expiry(calls: Sequence[ProposedCall], now: int, expiries: Expiries) -> Sequence[ProposedCall]:
    """The calls with the time until which they may be answered: a program gets less time than a person."""
    return [replace(call, expires_at=now + round(_seconds(call, expiries) * 1000)) for call in calls]


async def _decide_approval(
    call: ProposedCall, tool: Tool | None, services: Services, principal: str | None
) -> ProposedCall:
    if tool is None or call.executor in ("human", "provider"):
        return call
    if tool.trust == "requires_approval":
        return replace(call, approval="required")
    if tool.trust == "user_configurable":
        chosen = await _read_choice(tool, services, principal)
        return replace(call, approval=chosen)
    return call


async def _read_choice(tool: Tool, services: Services, principal: str | None) -> Approval:
    try:
        choice = await services.store.preferences.get(principal or "", approval_preference(tool.name))
    except Exception as error:  # noqa: BLE001 - whatever went wrong: a choice that cannot be read allows nothing
        log.warning("choice_unknown", tool=tool.name, cause=str(error))
        return "required"
    if choice is None:
        return tool.approval
    return "auto" if choice == "auto" else "required"


def _seconds(call: ProposedCall, expiries: Expiries) -> float:
    return expiries.client if call.executor == "client" and call.approval == "auto" else expiries.people

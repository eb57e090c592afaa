"""Which calls need an approval, by their tool's definition or by the choice of the person for whom the turn runs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import structlog

from agents.agent import Expiries
from agents.services import Services
from agents.tools import Tool
from agents.turn.approvers import join_approvers
from agents.turn.events import Approval
from agents.turn.facts import Facts
from agents.turn.inputs import ProposedCall
from store import ConversationMeta, Store

APPROVER = "approver"
"""The role of members who may decide, as `deployments.access.rights` has it."""

log = structlog.get_logger(__name__)


def approval_preference(tool: str) -> str:
    """The name of a person's choice for a tool: its value is an approval, `auto` or `required`."""
    return f"approval:{tool}"


async def require_approval(
    calls: Sequence[ProposedCall], tools: Mapping[str, Tool], services: Services, meta: ConversationMeta, facts: Facts
) -> Sequence[ProposedCall]:
    """The calls with the approval that each needs; a call needs one if its person's choice cannot be read."""
    return [await _decide_approval(call, tools.get(call.name), services, meta, facts) for call in calls]


def enforce_approval(calls: Sequence[ProposedCall], tools: Mapping[str, Tool]) -> Sequence[ProposedCall]:
    """The calls as middleware left them, with the approvals and approvers restored that nothing may lower."""
    return [_enforce(call, tools.get(call.name)) for call in calls]


def with_expiry(calls: Sequence[ProposedCall], now: int, expiries: Expiries) -> Sequence[ProposedCall]:
    """The calls with the time until which they may be answered: a program gets less time than a person."""
    return [replace(call, expires_at=now + round(_seconds(call, expiries) * 1000)) for call in calls]


def _enforce(call: ProposedCall, tool: Tool | None) -> ProposedCall:
    if tool is None:
        return call
    approval = "required" if tool.trust == "requires_approval" else call.approval
    return replace(call, approval=approval, approvers=join_approvers(tool.approvers, call.approvers))


async def _decide_approval(
    call: ProposedCall, tool: Tool | None, services: Services, meta: ConversationMeta, facts: Facts
) -> ProposedCall:
    if tool is None or call.executor in ("human", "provider"):
        return call
    if tool.trust == "requires_approval":
        return replace(call, approval="required")
    if tool.trust == "user_configurable":
        return replace(call, approval=await _read_choice(tool, services.store, meta, facts))
    return call


async def _read_choice(tool: Tool, store: Store, meta: ConversationMeta, facts: Facts) -> Approval:
    """The choice of the person for whom the turn runs. It takes away no approval that another person would give.

    So all who have spoken in the turn must be persons who may decide here: a writer, who may not, must not do without.
    """
    try:
        choice = await store.preferences.get(facts.principal or "", approval_preference(tool.name))
        if choice == "auto" and tool.approval == "required" and not await _may_decide(facts.speakers, store, meta):
            return "required"
    except Exception as error:  # noqa: BLE001 - whatever went wrong: a choice that cannot be read allows nothing
        log.warning("choice_unknown", tool=tool.name, cause=str(error))
        return "required"
    if choice is None:
        return tool.approval
    return "auto" if choice == "auto" else "required"


async def _may_decide(speakers: Collection[str], store: Store, meta: ConversationMeta) -> bool:
    """Whether each is the owner or an approver; a sub-agent's conversation has the members of its root."""
    others = set(speakers) - {meta.principal}
    if not others:
        return True
    root = await store.registry.get(meta.root)
    return all(root.members.get(other) == APPROVER for other in others)


def _seconds(call: ProposedCall, expiries: Expiries) -> float:
    return expiries.client if call.executor == "client" and call.approval == "auto" else expiries.people

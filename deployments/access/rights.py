"""Who may do what with a conversation: a table, and how a principal's place in it is found."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from agents.turn.approvers import Standing, may_decide
from deployments.access.principal import LOCAL, Principal, Scope
from store.principals import tenant_of

Right = Literal["read", "write", "decide", "own"]
MemberRole = Literal["viewer", "writer", "approver"]
Relation = Literal["owner", "viewer", "writer", "approver"]

RIGHT_NAMES: Final[tuple[Right, ...]] = get_args(Right)
MEMBER_ROLES: Final[tuple[MemberRole, ...]] = get_args(MemberRole)
RIGHTS: Final[Mapping[Relation, frozenset[Right]]] = {
    "viewer": frozenset({"read"}),
    "writer": frozenset({"read", "write"}),
    "approver": frozenset({"read", "write", "decide"}),
    "owner": frozenset({"read", "write", "decide", "own"}),
}
SCOPE: Final[Mapping[Right, Scope]] = {"read": "read", "write": "write", "decide": "decide", "own": "write"}
"""The scope that a credential must have to make use of a right."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a principal may do in a conversation by the credential that it shows, and what it is to it."""

    principal: Principal
    rights: frozenset[Right]
    standing: tuple[Standing, ...]

    def may_decide(self, waiting: Mapping[str, Any]) -> bool:
        """Whether it may decide about this entry of `pending`; older code wrote entries that say less."""
        asked_by = waiting.get("asked_by", ())
        is_awaited = may_decide(waiting.get("approvers", ()), asked_by, self.principal.id, self.standing)
        return "decide" in self.rights and is_awaited


def part_in(principal: Principal, owner: str, members: Mapping[str, str]) -> Part:
    """The part of the principal in a conversation with this owner and these members."""
    return Part(principal, rights_of(principal, owner, members), standing_of(principal, owner, members))


def relation_to(principal: Principal, owner: str, members: Mapping[str, str]) -> Relation | None:
    """What the principal is to a conversation; admins of the owner's tenant, and operators, are what its owner is."""
    if principal.id == owner or principal.administers(tenant_of(owner)):
        return "owner"
    return next((role for role in MEMBER_ROLES if members.get(principal.id) == role), None)


def rights_of(principal: Principal, owner: str, members: Mapping[str, str]) -> frozenset[Right]:
    """What the principal may do by the credential that it shows."""
    relation = relation_to(principal, owner, members)
    if relation is None:
        return frozenset()
    return frozenset(right for right in RIGHTS[relation] if SCOPE[right] in principal.scopes)


def standing_of(principal: Principal, owner: str, members: Mapping[str, str]) -> tuple[Standing, ...]:
    """What the principal is to a conversation, for the calls that say who may decide about them.

    The owner is the one person whose the conversation is: not an admin, who may do the same elsewhere. Where no
    credentials are asked for there is one person, who is everything.
    """
    if principal == LOCAL:
        return ("owner", "members", "admin", "alone")
    is_owner = principal.id == owner
    found: list[Standing] = ["owner"] if is_owner else []
    if is_owner or members.get(principal.id) == "approver":
        found.append("members")
    if principal.administers(tenant_of(owner)):
        found.append("admin")
    return tuple(found)


def may_all(principal: Principal, right: Right) -> bool:
    """Whether the principal has the right to every conversation, so that none needs to be looked at."""
    return principal.acts_as("operator") and SCOPE[right] in principal.scopes

"""What has one owner and no members, such as jobs, schedules, batches and replays: who sees it, and which lists."""

from typing import Annotated, Literal, Protocol, TypeVar

from fastapi import Query, Request

from deployments.access.principal import Principal
from deployments.access.rights import relation_to
from deployments.ingress.dependencies import principal_of
from deployments.ingress.problems import Problem, note_refusal
from store.principals import tenant_name_of


class Owned(Protocol):
    """What has an owner."""

    @property
    def owner(self) -> str: ...


T = TypeVar("T", bound=Owned)

Whose = Annotated[
    Literal["own", "all"], Query(description="`all`: those of the tenant for its admins, and of all for operators.")
]


def list_for(principal: Principal, whose: str) -> dict[str, str | None]:
    """The list that is looked through: a cursor tells of what is in it, so it has nothing that one may not see."""
    if whose == "own" or not (principal.acts_as("admin") or principal.acts_as("operator")):
        return {"owner": principal.id, "tenant": None}
    return {"owner": None, "tenant": None if principal.acts_as("operator") else principal.tenant}


def may_see(principal: Principal, owner: str) -> bool:
    """Whether it is the principal's own, or the principal administers its owner."""
    return relation_to(principal, owner, {}) == "owner"


def require_seen(request: Request, found: T | None, code: str, detail: str) -> T:
    """What was found. Raises the problem with that code if it is nothing, or another's, which is answered alike."""
    if found is None or not may_see(principal_of(request), found.owner):
        note_refusal(request.scope, code, concealed_of=None if found is None else tenant_name_of(found.owner))
        raise Problem(code, detail)
    return found

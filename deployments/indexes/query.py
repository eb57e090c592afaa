"""What a request asks of the lists: whose, by which filters, in which order; and who may ask for what."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from agents.turn.states import State
from deployments.access.errors import NotAllowed
from deployments.access.principal import PART, Principal
from deployments.access.rights import rights_of
from store import ConversationMeta
from store.registries.lists import ALL, Sort, of_principal, of_tenant

PrincipalName = Annotated[str, Field(pattern=f"^{PART.pattern}(?:/{PART.pattern})?$", max_length=257)]
Words = Annotated[list[Annotated[str, Field(max_length=128)]], Field(max_length=20)]
Time = Annotated[int, Field(ge=0, lt=10**15, description="Milliseconds since 1970.")]


class ListQuery(BaseModel):
    """The parameters of a list. A repeated one means: any of these; several different ones: all of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str | None, Field(description="Where the page begins: `next` of the one before.")] = None
    whose: Annotated[
        Literal["mine", "tenant", "all"],
        Field(description="One's own and what is shared with one; for admins, of the tenant; for operators, all."),
    ] = "mine"
    tenant: Annotated[str | None, Field(pattern=f"^{PART.pattern}$", description="Another one, for operators.")] = None
    owner: PrincipalName | None = None
    member: Annotated[PrincipalName | None, Field(description="With whom it is shared.")] = None
    text: Annotated[
        str | None,
        Field(max_length=200, pattern=r"[^\s\"]", description='Words and "phrases" that are all in it.'),
    ] = None
    text_in: Annotated[Literal["title", "any"], Field(description="In the title alone, or in the messages too.")] = (
        "any"
    )
    channel: Words = []
    without_channel: Annotated[Words, Field(description="Of any channel but these.")] = []
    agent: Words = []
    project: Words = []
    state: Annotated[list[State], Field(max_length=20)] = []
    archived: Literal["false", "true", "any"] = "false"
    updated_since: Time | None = None
    updated_until: Time | None = None
    created_since: Time | None = None
    created_until: Time | None = None
    sort: Sort = "updated"
    order: Annotated[
        Literal["asc", "desc"] | None, Field(description="By default titles from a to z, times from the latest on.")
    ] = None

    @property
    def descending(self) -> bool:
        return self.order == "desc" if self.order else self.sort != "title"

    def accepts(self, meta: ConversationMeta) -> bool:
        """Whether the filters let the conversation through."""
        return (
            (self.owner is None or meta.principal == self.owner)
            and self.archived in ("any", "false" if meta.archived_at is None else "true")
            and (self.member is None or self.member in meta.members)
            and _is_among(meta.channel, self.channel)
            and meta.channel not in self.without_channel
            and _is_among(meta.agent, self.agent)
            and _is_among(meta.project, self.project)
            and _is_between(self.updated_since, meta.updated_at, self.updated_until)
            and _is_between(self.created_since, meta.created_at, self.created_until)
            and (not self.state or state_of(meta)["state"] in self.state)
        )


def list_for(principal: Principal, query: ListQuery) -> str:
    """The list that the query looks through. Raises NotAllowed."""
    if query.whose == "mine":
        if query.tenant is not None:
            raise NotAllowed("name a tenant with whose=tenant")
        return of_principal(principal.id)
    is_operator = principal.acts_as("operator")
    if not is_operator and (query.whose == "all" or not principal.acts_as("admin")):
        raise NotAllowed("the conversations of others are listed for admins and operators")
    tenant = query.tenant or principal.tenant
    if not is_operator and tenant != principal.tenant:
        raise NotAllowed("that is not your tenant")
    # The shorter list; but not that of another tenant's person, of which a cursor would tell.
    if query.owner is not None and (is_operator or query.owner.startswith(f"{tenant}/")):
        return of_principal(query.owner)
    return ALL if query.whose == "all" or tenant is None else of_tenant(tenant)


def may_see(principal: Principal, query: ListQuery, meta: ConversationMeta) -> bool:
    """Whether the conversation belongs in what was asked for, as its metadata says now."""
    if "read" not in rights_of(principal, meta.principal, meta.members):
        return False
    if query.whose == "mine":
        return meta.involves(principal.id)
    tenant = query.tenant or principal.tenant
    return query.whose == "all" or tenant is None or meta.principal.startswith(f"{tenant}/")


def state_of(meta: ConversationMeta) -> dict[str, Any]:
    """The durable state as it is cached beside the log, see fsm_state."""
    found: dict[str, Any] = orjson.loads(meta.state) if meta.state else {"state": "idle", "pending": {}}
    return found


def _is_among(value: str | None, wanted: Sequence[str]) -> bool:
    return not wanted or value in wanted


def _is_between(since: int | None, at: int, until: int | None) -> bool:
    return (since is None or since <= at) and (until is None or at <= until)

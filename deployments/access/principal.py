"""The principal of a request: who acts, in which roles, by which credential."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

Role = Literal["user", "admin", "operator"]
Scope = Literal["read", "write", "decide", "admin"]

ROLES: Final[frozenset[Role]] = frozenset(get_args(Role))
SCOPES: Final[frozenset[Scope]] = frozenset(get_args(Scope))
PART: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+|:-]{0,127}")
"""What the id of a tenant or of a user is made of."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a principal has shown: `id` is no secret; `expires_at` (ms) is when it stops counting by itself.

    A session of the page stands for the API key `key_id`, and ends with it.
    """

    kind: Literal["key", "jwt", "session"]
    id: str
    expires_at: int | None = None
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """Roles say whom else one acts for, scopes what the credential may be used for; `values` are for the agents.

    Without a tenant it is the one person at a service that asks for no credentials.
    """

    tenant: str | None
    user: str
    roles: frozenset[Role] = frozenset({"user"})
    scopes: frozenset[Scope] = SCOPES
    values: Mapping[str, Any] = field(default_factory=dict)
    credential: Credential | None = None

    @property
    def id(self) -> str:
        """`tenant/user`, as logs, owners and members name it."""
        return self.user if self.tenant is None else f"{self.tenant}/{self.user}"

    def acts_as(self, role: Role) -> bool:
        """Whether it has the role, and its credential may be used for that."""
        return role in self.roles and "admin" in self.scopes

    def administers(self, tenant: str | None) -> bool:
        """Whether it is an admin of this tenant, or of all."""
        is_own = tenant is not None and tenant == self.tenant
        return self.acts_as("operator") or (is_own and self.acts_as("admin"))


LOCAL: Final = Principal(tenant=None, user="local", roles=ROLES)
"""The principal of every request to a service that asks for no credentials: it may do everything."""

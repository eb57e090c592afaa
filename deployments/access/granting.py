"""Which keys a principal may make for whom, and which it may see and revoke."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deployments.access.api_keys import new_key
from deployments.access.principal import Principal, Role, Scope
from store.registries.api_keys import ApiKey


@dataclass(frozen=True, slots=True)
class WantedKey:
    """None stands for the maker's own; `expires_at` is in ms since 1970."""

    tenant: str | None = None
    user: str | None = None
    roles: frozenset[Role] | None = None
    scopes: frozenset[Scope] | None = None
    label: str = ""
    expires_at: int | None = None


class NotGranted(Exception):
    """The maker cannot give that; the text says why."""


def grant_key(maker: Principal, wanted: WantedKey, now: int) -> tuple[ApiKey, str]:
    """A new key as it is kept, and its text. Raises NotGranted.

    A key can do no more than its maker: no further role, no further scope, and it does not outlive the credential that
    made it. Admins make keys for their tenant's users, operators for all.
    """
    tenant, user = wanted.tenant or maker.tenant, wanted.user or maker.user
    if tenant is None:
        raise NotGranted("name a tenant: the key is for `tenant/user`")
    is_own = (tenant, user) == (maker.tenant, maker.user)
    if not (is_own or maker.administers(tenant)):
        raise NotGranted("keys for other people are made by an admin of their tenant")
    roles = wanted.roles or (maker.roles if is_own else frozenset({"user"}))
    if further := roles - maker.roles - {"user"}:
        raise NotGranted(f"only an {min(further)} makes an {min(further)}")
    scopes = maker.scopes if wanted.scopes is None else wanted.scopes
    if further_scopes := scopes - maker.scopes:
        raise NotGranted(f"these credentials are not for {min(further_scopes)}")
    made, limit = new_key(), maker.credential.expires_at if maker.credential else None
    ends = [at for at in (wanted.expires_at, limit) if at is not None]
    kept = ApiKey(
        id=made.id,
        digest=made.digest,
        tenant=tenant,
        user=user,
        roles=tuple(sorted(roles)),
        scopes=tuple(sorted(scopes)),
        label=wanted.label,
        created_at=now,
        expires_at=min(ends, default=None),
    )
    return kept, made.text


def facts_of(key: ApiKey) -> Mapping[str, Any]:
    """What the audit says of a key."""
    return {"key": key.id, "user": key.user, "roles": key.roles, "scopes": key.scopes, "expires_at": key.expires_at}


def made_by(maker: Principal) -> Mapping[str, str]:
    """What the audit says besides of a new key: the key that was shown, so that what a stolen one has made is found."""
    key_id = None if maker.credential is None else maker.credential.key_id
    return {} if key_id is None else {"made_by": key_id}


def may_manage(principal: Principal, key: ApiKey) -> bool:
    """Whether the principal may see and revoke the key."""
    is_own = principal.tenant == key.tenant and principal.user == key.user
    return is_own or principal.administers(key.tenant)


def is_shown_by(principal: Principal, key: ApiKey) -> bool:
    """Whether it is the key that the request shows, or that its session stands for."""
    return principal.credential is not None and principal.credential.key_id == key.id

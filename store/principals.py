"""What the name of a principal says: it is `tenant/user`, or the user alone where there are no tenants."""

from typing import Final

NO_TENANT: Final = "-"
"""Stands for the tenant of principals without one, where a name has to be written."""


def tenant_of(principal: str | None) -> str | None:
    """The tenant of a principal, or of a project, which is called in the same way; None: it has none."""
    tenant, slash, _ = (principal or "").partition("/")
    return tenant if slash and tenant else None


def tenant_name_of(principal: str | None) -> str:
    """The same, with a name for none."""
    return tenant_of(principal) or NO_TENANT

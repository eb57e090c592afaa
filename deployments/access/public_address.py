"""Refuses to serve an address that others can reach while no credentials are asked for."""

from deployments.settings import Settings, is_loopback


class PublicWithoutAuthentication(Exception):
    """Others could reach the service and act as its one person; `host` is the address that Serve listens on."""

    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.host = host

    def __str__(self) -> str:
        return (
            f"Serve listens on {self.host}, which others can reach, and RAYLOGUE_AUTH is off: "
            "set it to keys on every node (docs/access.md), or let Serve listen on 127.0.0.1"
        )


def require_private_or_authenticated(settings: Settings, host: str | None) -> None:
    """Raises PublicWithoutAuthentication; `host` is None where nothing listens."""
    if host is not None and not settings.credential_kinds and not is_loopback(host):
        raise PublicWithoutAuthentication(host)

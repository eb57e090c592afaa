"""A store beside that of the service, in the same Redis: its conversations are apart, its people are the same.

What is opened in it is in no list, no feed and no index that the service looks after, and can be deleted as a whole.
"""

from store.key_groups import FileKeys
from store.keys import Keys


class KeysApart(Keys):
    """Keys of their own for conversations and all about them; those of `service` for what belongs to people."""

    def __init__(self, service: Keys, name: str) -> None:
        super().__init__(f"{service.prefix}-{name}")
        self._service = service

    def files(self, kind: str, scope_id: str) -> FileKeys:
        """The files of a conversation are apart; those of a user or a project are the service's."""
        return super().files(kind, scope_id) if kind == "conversation" else self._service.files(kind, scope_id)

    def spent(self, scope: str) -> str:
        return self._service.spent(scope)

    def preferences(self, principal: str) -> str:
        return self._service.preferences(principal)

    @property
    def mcp_servers(self) -> str:
        return self._service.mcp_servers

"""Why credentials are not taken."""

from typing import Literal

from store import ConversationNotFound

Reason = Literal[
    "credentials_missing",
    "credentials_malformed",
    "credentials_expired",
    "credentials_invalid",
    "wrong_audience",
    "context_invalid",
]


class CredentialsRefused(Exception):
    """`reason` is the code of the problem that the request gets; unknown and revoked credentials are alike invalid."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class Concealed(ConversationNotFound):
    """There is such a conversation, and its principal must not know that; answered as if there were none.

    `tenant` is whose it is: the audit of that one tells of it, since another's would tell that it is there.
    """

    def __init__(self, conversation_id: str, tenant: str) -> None:
        super().__init__(conversation_id)
        self.tenant = tenant


class NotAllowed(Exception):
    """The principal may know that it exists, and may not do this; the text says why."""

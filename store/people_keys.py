"""Spells the keys of what belongs to people and tenants, with their rows of the table."""

from store.key_row import KeyRow


class PeopleKeys:
    """What is kept of principals, tenants and projects."""

    prefix: str

    def preferences(self, principal: str) -> str:
        """Hash: a principal's standing choices, by name."""
        return f"{self.prefix}:{{owner:{principal}}}:preferences"

    def memories(self, principal: str) -> str:
        """Hash: what agents remember of a principal, by id."""
        return f"{self.prefix}:{{owner:{principal}}}:memories"

    def personal_feed(self, principal: str) -> str:
        """Stream: what a principal was told of its conversations."""
        return f"{self.prefix}:{{owner:{principal}}}:feed"

    def told(self, principal: str) -> str:
        """Hash: the last entry of the feed of which a principal was told, by conversation."""
        return f"{self.prefix}:{{owner:{principal}}}:told"

    def personal_channel(self, principal: str) -> str:
        """The channel (which is no key) on which a principal is told."""
        return f"{self.prefix}:{{owner:{principal}}}:told_now"

    def api_key(self, key_id: str) -> str:
        """Hash: what is kept of an API key."""
        return f"{self.prefix}:api_key:{key_id}"

    def page_session(self, digest: str) -> str:
        """String: the id of the API key that a person has signed in with on the page."""
        return f"{self.prefix}:page_session:{digest}"

    def api_keys(self, tenant: str) -> str:
        """Sorted set: the ids of a tenant's API keys, by their last use (ms; 0: never)."""
        return f"{self.prefix}:{{tenant:{tenant}}}:api_keys"

    def project(self, project_id: str) -> str:
        """Hash: the members of a project with their roles."""
        return f"{self.prefix}:{{project:{project_id}}}:members"

    def limits(self, tenant: str) -> str:
        """Hash: what is set for a tenant and its principals, by their names."""
        return f"{self.prefix}:{{limits:{tenant}}}:set"

    def turns(self, tenant: str, subject: str) -> str:
        """Sorted set: conversations with turns of a principal or a tenant, by when those began (ms)."""
        return f"{self.prefix}:{{limits:{tenant}}}:turns:{subject}"

    def streams(self, tenant: str, subject: str) -> str:
        """Sorted set: the open streams of a principal or a tenant, by when their leases end (ms)."""
        return f"{self.prefix}:{{limits:{tenant}}}:streams:{subject}"

    def counted(self, tenant: str, subject: str, kind: str, window: int) -> str:
        """String: how much of a kind a principal or a tenant has used in a window of time."""
        return f"{self.prefix}:{{limits:{tenant}}}:counted:{kind}:{window}:{subject}"


PEOPLE_ROWS = (
    KeyRow(
        "preferences",
        "{owner:<principal>}:preferences",
        "hash",
        "an entry until its person takes it back: it is a standing choice",
    ),
    KeyRow(
        "memories",
        "{owner:<principal>}:memories",
        "hash",
        "an entry until it is forgotten, by its person or for it",
    ),
    KeyRow(
        "personal_feed",
        "{owner:<principal>}:feed",
        "stream",
        "a day after its person's page has last followed it; an entry until about a thousand newer ones",
        expires=True,
    ),
    KeyRow("told", "{owner:<principal>}:told", "hash", "as personal_feed", expires=True),
    KeyRow("api_key", "api_key:<key>", "hash", "until it is revoked: an expired one is still listed"),
    KeyRow(
        "page_session",
        "page_session:<session>",
        "string",
        "until the person signs out, or has not used the page for twelve hours",
        expires=True,
    ),
    KeyRow("api_keys", "{tenant:<tenant>}:api_keys", "zset", "an entry until its key is revoked"),
    KeyRow(
        "project",
        "{project:<project>}:members",
        "hash",
        "an entry until its membership ends; its owner's stays, since the files of the project do",
    ),
    KeyRow("limits", "{limits:<tenant>}:set", "hash", "an entry until an admin takes it back"),
    KeyRow(
        "turns",
        "{limits:<tenant>}:turns:<subject>",
        "zset",
        "an entry until its turn is over, or is found to be; all a month after the last one has begun",
        expires=True,
    ),
    KeyRow(
        "streams",
        "{limits:<tenant>}:streams:<subject>",
        "zset",
        "seconds after a replica has last renewed an entry; an entry until its stream ends",
        expires=True,
    ),
    KeyRow(
        "counted",
        "{limits:<tenant>}:counted:<kind>:<window>:<subject>",
        "string",
        "until the window after its own is over",
        expires=True,
    ),
)

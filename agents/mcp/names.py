"""What the model calls a server's tool: the server's name first, within what the Messages API allows."""

import hashlib
import re

LONGEST = 64
FOREIGN = re.compile(r"[^a-zA-Z0-9_-]")


def exposed_name(server: str, tool: str) -> str:
    """`{server}__{tool}`; one that had to be changed ends in a mark of the original, so that no two become alike.

    It depends on the two names alone: the log keeps it, and another process must find the same tool under it.
    """
    whole = f"{server}__{tool}"
    fitting = FOREIGN.sub("_", whole)
    if fitting == whole and len(whole) <= LONGEST:
        return whole
    mark = hashlib.sha256(whole.encode()).hexdigest()[:8]
    return f"{fitting[: LONGEST - 9]}_{mark}"

"""Which incarnation a handle leads to: names are used again, ids are not."""

from typing import Any


def actor_id(actor: Any) -> str:  # noqa: ANN401 - Ray's handles have no type
    """Ray's id of the actor, in hexadecimal digits, as the actor itself has it from its runtime context."""
    identity: str = actor._actor_id.hex()  # noqa: SLF001
    return identity

"""Who may decide about a call that waits for people: what the call asks of them, and whether a person is that.

A service finds out what a person is to a conversation (`Standing`), and sends it along with the person's decision. The
machine compares: so each way on which a decision comes passes the same check, and one that comes without is refused.
"""

from collections.abc import Collection, Sequence
from typing import Final, Literal, get_args

Approver = Literal["owner", "members", "admin", "another"]
"""The conversation's owner; its owner or an approver; an admin of the tenant; one who has not asked for the call."""
Standing = Literal["owner", "members", "admin", "alone"]
"""What a person is to a conversation; `alone`: no credentials are asked for, so there is no other person."""

APPROVERS: Final[tuple[Approver, ...]] = get_args(Approver)
NAMES: Final[dict[Approver, str]] = {
    "owner": "the owner of the conversation",
    "members": "the owner or an approver of the conversation",
    "admin": "an admin of the tenant",
    "another": "another person than the one who has asked for it",
}


def may_decide(
    approvers: Collection[Approver], asked_by: Collection[str], principal: str | None, standing: Collection[Standing]
) -> bool:
    """Whether the person is each of `approvers`; the persons in `asked_by` have asked for the call."""
    return all(_is(approver, asked_by, principal, standing) for approver in approvers)


def describe(approvers: Sequence[Approver]) -> str:
    """Whom a call waits for."""
    return ", who is also ".join(NAMES[approver] for approver in approvers)


def read_approvers(named: object) -> tuple[Approver, ...]:
    """The approvers that a definition names: None, one, or several that a person must be at once. Raises ValueError."""
    words = () if named is None else named if isinstance(named, tuple | list) else (named,)
    if unknown := [word for word in words if word not in APPROVERS]:
        raise ValueError(f"approvers are one of {', '.join(APPROVERS)}, or a list of them, not {unknown[0]!r}")
    return join_approvers(words)


def join_approvers(*lists: Sequence[Approver]) -> tuple[Approver, ...]:
    """What a person must be who is to fulfil all of the lists."""
    return tuple(dict.fromkeys(approver for approvers in lists for approver in approvers))


def _is(approver: Approver, asked_by: Collection[str], principal: str | None, standing: Collection[Standing]) -> bool:
    if approver == "another":
        return "alone" in standing or (principal is not None and principal not in asked_by)
    return approver in standing

"""Counts what the door refuses, so that the audit tells of it in few lines, however often it happens."""

import ipaddress
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from deployments.access.principal import Principal
from store.audit.lines import AuditEvent
from store.principals import NO_TENANT

FIRST_MS: Final = 60_000
MAX_MS: Final = 3_600_000
GROWTH: Final = 4
"""What goes on being refused gets a line after a minute, then after 4, 16, and each 60 minutes."""
MAX_PRINCIPALS: Final = 500
MAX_ADDRESSES: Final = 50
"""Of each kind, with the code of the refusal, that are counted apart; all others are counted together."""
MAX_CONVERSATIONS: Final = 5
NETWORK_BITS: Final[Mapping[int, int]] = {4: 24, 6: 48}
LOCAL: Final = "local"


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal of a request: the code of the problem, who has asked or else from where, and for which conversation.

    `tenant` is whose audit is to have it; None: that of the one who has asked.
    """

    code: str
    principal: Principal | None = None
    address: str = ""
    conversation_id: str | None = None
    tenant: str | None = None


@dataclass(slots=True)
class _Period:
    opened_at: int
    length: int = FIRST_MS
    count: int = 0
    first_at: int = 0
    last_at: int = 0
    address: str = ""
    conversations: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Caller:
    """Who is counted together: a principal, a network of unknown callers, or what is too much to be counted apart."""

    code: str
    tenant: str = NO_TENANT
    principal: str | None = None
    network: str = ""


class RefusalCounts:
    """Of one replica. An attacker who changes its address or tries for days gets a bounded number of lines."""

    def __init__(self) -> None:
        self._periods: dict[_Caller, _Period] = {}

    def note(self, refused: Refused, now: int) -> None:
        """Count one."""
        network = network_of(refused.address)
        if (principal := refused.principal) is not None:
            caller = _Caller(refused.code, refused.tenant or principal.tenant or NO_TENANT, principal.id)
        else:
            caller = _Caller(refused.code, network=network)
        if caller not in self._periods and self._has_too_many(caller):
            caller = _Caller(refused.code, caller.tenant if principal is not None else NO_TENANT)
        period = self._periods.setdefault(caller, _Period(now))
        if not period.count:
            period.first_at, period.address = now, network
        period.count += 1
        period.last_at = now
        conversation = refused.conversation_id
        if conversation and conversation not in period.conversations and len(period.conversations) < MAX_CONVERSATIONS:
            period.conversations.append(conversation)

    def take_due(self, now: int, *, at_once: bool = False) -> Mapping[str, list[AuditEvent]]:
        """What is to be written now, by tenant; `at_once`: all of it, because the process ends."""
        due: dict[str, list[AuditEvent]] = defaultdict(list)
        for caller, period in list(self._periods.items()):
            if not at_once and now < period.opened_at + period.length:
                continue
            del self._periods[caller]
            if period.count:
                due[caller.tenant].append(_event(caller, period))
                self._periods[caller] = _Period(now, min(period.length * GROWTH, MAX_MS))
        return due

    def _has_too_many(self, caller: _Caller) -> bool:
        of_principals = caller.principal is not None
        known = sum((other.principal is not None) == of_principals for other in self._periods)
        return known >= (MAX_PRINCIPALS if of_principals else MAX_ADDRESSES)


def network_of(address: str) -> str:
    """The network that an address is in: a /24 of IPv4, a /48 of IPv6; empty if it is no address."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if found.is_loopback:
        return LOCAL
    return str(ipaddress.ip_network((found, NETWORK_BITS[found.version]), strict=False))


def client_address(peer: str, forwarded: Iterable[str]) -> str:
    """Where a request comes from; `forwarded` has the values of `X-Forwarded-For`.

    Only what proxies of one's own have added counts, and these are in private networks: so from the right the first
    public address, else the last one.
    """
    hops = [hop.strip() for value in forwarded for hop in value.split(",")]
    return next((hop for hop in (peer, *reversed(hops)) if _is_public(hop)), hops[-1] if hops else peer)


def _is_public(address: str) -> bool:
    try:
        return not ipaddress.ip_address(address).is_private
    except ValueError:
        return False


def _event(caller: _Caller, period: _Period) -> AuditEvent:
    data: dict[str, Any] = {"code": caller.code, "count": period.count, "until": period.last_at}
    if period.address:
        data["network"] = caller.network or period.address
    if period.conversations:
        data["conversations"] = period.conversations
    if caller.principal is None and not caller.network:
        data["network"] = "several"
    return AuditEvent(
        f"refused:{uuid.uuid4().hex}", "refused", period.first_at, caller.principal, outcome="refused", data=data
    )

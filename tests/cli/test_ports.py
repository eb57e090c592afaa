"""The ports that `raylogue up` chooses: no other program gets them before they are used."""

import socket
from pathlib import Path

import pytest

from deployments.local import ports
from deployments.local.errors import CannotStart

LOOPBACK = "127.0.0.1"
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_a_free_port_is_none_that_the_system_gives_to_other_programs() -> None:
    chosen = ports.find_free_ports(LOOPBACK, 50)
    assert len(set(chosen)) == 50
    first, last = map(int, EPHEMERAL.read_text().split())
    assert not {*chosen} & {*range(first, last + 1)}
    assert ports.require_free_port(LOOPBACK, 0) in ports.OWN_PORTS
    assert ports.next_free_port(LOOPBACK, 0) in ports.OWN_PORTS


def test_a_taken_port_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        number = taken.getsockname()[1]
        monkeypatch.setattr(ports, "OWN_PORTS", range(number, number + 1))
        with pytest.raises(CannotStart, match=rf"{number} to {number} is free"):
            ports.find_free_ports(LOOPBACK, 1)
        with pytest.raises(CannotStart, match=f"port {number} is taken"):
            ports.require_free_port(LOOPBACK, number)
        assert ports.next_free_port(LOOPBACK, number) > number

"""What is refused is counted, so that no attacker can fill the audit; and where a request comes from."""

import pytest

from deployments.access import refusals
from deployments.access.principal import Principal
from deployments.access.refusals import RefusalCounts, Refused, client_address, network_of
from tests.support.writer import NOW

MINUTE = 60_000
EVE = Principal("acme", "eve")


def test_one_line_for_a_minute_of_refusals() -> None:
    counts = RefusalCounts()
    for second in range(60):
        counts.note(Refused("unknown_conversation", EVE, "203.0.113.7", f"c{second // 6}"), NOW + second * 1000)
    counts.note(Refused("not_allowed", EVE), NOW)
    assert counts.take_due(NOW + MINUTE - 1) == {}
    due = counts.take_due(NOW + MINUTE)
    assert list(due) == ["acme"]
    first, second_line = due["acme"]
    assert (first.type, first.principal, first.outcome, first.at) == ("refused", "acme/eve", "refused", NOW)
    assert first.data == {
        "code": "unknown_conversation",
        "count": 60,
        "until": NOW + 59_000,
        "network": "203.0.113.0/24",
        "conversations": ["c0", "c1", "c2", "c3", "c4"],
    }
    assert second_line.data == {"code": "not_allowed", "count": 1, "until": NOW}
    assert first.id != second_line.id


def test_what_goes_on_for_a_day_gets_few_lines_and_loses_no_count() -> None:
    counts, lines = RefusalCounts(), []
    for minute in range(24 * 60):
        counts.note(Refused("credentials_invalid", address="203.0.113.7"), NOW + minute * MINUTE)
        lines += counts.take_due(NOW + minute * MINUTE).get("-", [])
    lines += counts.take_due(NOW + 24 * 60 * MINUTE, at_once=True)["-"]
    assert len(lines) < 30
    assert sum(line.data["count"] for line in lines) == 24 * 60


def test_after_a_pause_it_is_told_within_a_minute_again() -> None:
    counts = RefusalCounts()
    counts.note(Refused("not_allowed", EVE), NOW)
    counts.take_due(NOW + MINUTE)
    assert counts.take_due(NOW + 9 * MINUTE) == {}
    counts.note(Refused("not_allowed", EVE), NOW + 9 * MINUTE)
    assert len(counts.take_due(NOW + 10 * MINUTE)["acme"]) == 1
    assert counts.take_due(NOW + 10 * MINUTE, at_once=True) == {}


def test_callers_from_everywhere_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "MAX_ADDRESSES", 3)
    monkeypatch.setattr(refusals, "MAX_PRINCIPALS", 2)
    counts = RefusalCounts()
    for number in range(200):
        counts.note(Refused("credentials_missing", address=f"198.51.{number}.7"), NOW)
        counts.note(Refused("not_allowed", Principal("acme", f"u{number}")), NOW)
    due = counts.take_due(NOW + MINUTE)
    assert [(line.data.get("network"), line.data["count"]) for line in due["-"]] == [
        ("198.51.0.0/24", 1),
        ("198.51.1.0/24", 1),
        ("198.51.2.0/24", 1),
        ("several", 197),
    ]
    assert [(line.principal, line.data["count"]) for line in due["acme"]] == [
        ("acme/u0", 1),
        ("acme/u1", 1),
        (None, 198),
    ]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.0/24"),
        ("::ffff:203.0.113.7", "203.0.113.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("127.0.0.1", "local"),
        ("::1", "local"),
        ("", ""),
        ("rl_aaaaaaaaaaaa_secret", ""),
    ],
)
def test_the_network_of_an_address(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("9.9.9.7", [], "9.9.9.7"),
        ("9.9.9.7", ["1.1.1.1"], "9.9.9.7"),
        ("127.0.0.1", ["1.1.1.1, 9.9.9.7"], "9.9.9.7"),
        ("127.0.0.1", ["1.1.1.1", "9.9.9.7, 10.0.0.1"], "9.9.9.7"),
        ("127.0.0.1", ["10.0.0.2, 10.0.0.1"], "10.0.0.1"),
        ("127.0.0.1", [], "127.0.0.1"),
    ],
)
def test_where_a_request_comes_from(peer: str, forwarded: list[str], expected: str) -> None:
    assert client_address(peer, forwarded) == expected

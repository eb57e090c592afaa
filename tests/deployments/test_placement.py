"""Where conversations live: the policy, and the seats that there are for it."""

import pytest

from deployments.placement import Node, Seat, decide, in_order, is_dedicated, seats
from store import Placement

NODES = [Node("a" * 56, 2), Node("b" * 56, 1)]


@pytest.mark.parametrize(
    ("wish", "dedicated", "budget", "where"),
    [
        ("auto", 0, 10, "dedicated"),
        ("auto", 9, 10, "dedicated"),
        ("auto", 10, 10, "shared"),
        ("auto", 0, 0, "shared"),
        ("dedicated", 10, 10, "dedicated"),
        ("shared", 0, 10, "shared"),
    ],
)
def test_an_actor_of_its_own_while_there_is_room(wish: Placement, dedicated: int, budget: int, where: str) -> None:
    assert decide(wish, dedicated, budget) == where


def test_a_node_has_one_host_until_it_is_comfortably_full_and_never_more_than_cores() -> None:
    first, second = Seat("host:aaaaaaaaaaaa:0", NODES[0].id), Seat("host:aaaaaaaaaaaa:1", NODES[0].id)
    other = Seat("host:bbbbbbbbbbbb:0", NODES[1].id)
    assert seats(NODES, {}, 100) == [first, other]
    assert seats(NODES, {first.name: 99, other.name: 500}, 100) == [first, other]
    assert seats(NODES, {first.name: 100}, 100) == [first, second, other]
    assert seats(NODES, {first.name: 900, second.name: 900}, 100) == [first, second, other]


def test_every_door_tries_the_seats_in_the_same_order_and_conversations_spread() -> None:
    some = [Seat(f"host:{letter}:0", letter) for letter in "abcd"]
    assert in_order("c", some) == in_order("c", reversed(some))
    firsts = [in_order(f"c{number}", some)[0] for number in range(2000)]
    assert all(400 < firsts.count(seat) < 600 for seat in some)


def test_a_seat_that_goes_moves_only_those_who_had_it() -> None:
    some = [Seat(f"host:{letter}:0", letter) for letter in "abcd"]
    for number in range(500):
        before, after = in_order(f"c{number}", some)[0], in_order(f"c{number}", some[:3])[0]
        assert before in (after, some[3])


def test_a_name_tells_what_it_is() -> None:
    assert is_dedicated("conversation:c")
    assert not is_dedicated("host:aaaaaaaaaaaa:0")

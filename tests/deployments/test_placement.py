"""Where conversations live: the policy, and the slots for shared hosts."""

from collections import Counter

from deployments.routing.placement import (
    HostSlot,
    Node,
    choose_node,
    host_slots,
    is_dedicated,
    load_of_node,
    loads_with_full,
    rank_slots,
)

NODES = [Node("a" * 56, 2), Node("b" * 56, 1)]


def test_dedicated_actors_spread_over_the_nodes_by_their_room() -> None:
    nodes = [Node("a", 2, budget=100), Node("b", 2, budget=100), Node("c", 2, budget=50)]
    dedicated = Counter[str]()
    for number in range(250):
        chosen = choose_node(f"c{number}", nodes, dedicated)
        assert chosen is not None
        assert dedicated[chosen.id] < chosen.budget, "no node is full while there is room elsewhere"
        dedicated[chosen.id] += 1
        if number == 100:
            assert all(dedicated[node.id] < node.budget * 0.6 for node in nodes)
    assert dedicated == {"a": 100, "b": 100, "c": 50}


def test_a_requested_dedicated_actor_goes_to_full_nodes_too_and_nowhere_without_nodes() -> None:
    nodes = [Node("a", 2, budget=1), Node("b", 2, budget=1)]
    assert choose_node("c", nodes, {"a": 1, "b": 2}) == nodes[0]
    assert choose_node("c", nodes, {"a": 9, "b": 2}) == nodes[1]
    assert choose_node("c", [], {}) is None


def test_doors_that_know_nothing_of_each_other_do_not_all_choose_one_node() -> None:
    nodes = [Node(letter, 2, budget=100) for letter in "abcd"]
    stale = {"a": 0, "b": 10, "c": 10, "d": 10}
    chosen = Counter(node.id for number in range(400) if (node := choose_node(f"c{number}", nodes, stale)))
    assert chosen["a"] < 250
    assert len(chosen) == 4


def test_a_node_has_one_host_until_that_reaches_its_target_and_never_more_than_cores() -> None:
    first, second = HostSlot("host:aaaaaaaaaaaa:7:0", NODES[0].id), HostSlot("host:aaaaaaaaaaaa:7:1", NODES[0].id)
    other = HostSlot("host:bbbbbbbbbbbb:7:0", NODES[1].id)
    assert host_slots(NODES, {}, 100, 7) == [first, other]
    assert host_slots(NODES, {first.name: 99, other.name: 500}, 100, 7) == [first, other]
    assert host_slots(NODES, {first.name: 100}, 100, 7) == [first, second, other]
    assert host_slots(NODES, {first.name: 900, second.name: 900}, 100, 7) == [first, second, other]


def test_hosts_of_another_code_version_do_not_count() -> None:
    [old] = host_slots(NODES[:1], {}, 100, 6)
    assert host_slots(NODES[:1], {old.name: 900}, 100, 7) == [HostSlot("host:aaaaaaaaaaaa:7:0", NODES[0].id)]


def test_a_silent_host_is_passed_by() -> None:
    first, other = "host:aaaaaaaaaaaa:7:0", "host:bbbbbbbbbbbb:7:0"
    assert [slot.name for slot in host_slots(NODES, {}, 100, 7, {first})] == ["host:aaaaaaaaaaaa:7:1", other]
    assert [slot.name for slot in host_slots(NODES, {}, 100, 7, {first, "host:aaaaaaaaaaaa:7:1", other})] == [
        "host:aaaaaaaaaaaa:7:2",
        "host:bbbbbbbbbbbb:7:1",
    ]


def test_every_door_tries_the_slots_in_the_same_order_and_conversations_spread() -> None:
    some = [HostSlot(f"host:{letter}:0", letter) for letter in "abcd"]
    assert rank_slots("c", some) == rank_slots("c", reversed(some))
    firsts = [rank_slots(f"c{number}", some)[0] for number in range(2000)]
    assert all(400 < firsts.count(slot) < 600 for slot in some)


def test_a_slot_that_goes_moves_only_its_own_conversations() -> None:
    some = [HostSlot(f"host:{letter}:0", letter) for letter in "abcd"]
    for number in range(500):
        before, after = rank_slots(f"c{number}", some)[0], rank_slots(f"c{number}", some[:3])[0]
        assert before in (after, some[3])


def test_a_name_tells_whether_the_actor_is_dedicated() -> None:
    assert is_dedicated("conversation:c")
    assert not is_dedicated("host:aaaaaaaaaaaa:7:0")


def test_a_full_host_counts_as_full_whatever_it_has_reported() -> None:
    assert loads_with_full({"a": 3, "b": 30}, {"a", "b", "new"}, 10) == {"a": 10, "b": 30, "new": 10}
    assert loads_with_full({"a": 3}, (), 10) == {"a": 3}


def test_a_node_that_is_closed_gets_no_further_host() -> None:
    node = Node("a" * 56, 4)
    loads = {f"host:{'a' * 12}:1:0": 9, f"host:{'a' * 12}:1:1": 7, f"host:{'a' * 12}:0:0": 1, f"host:{'b' * 12}:1:0": 5}
    assert len(host_slots([node], loads, 5, code_version=1)) == 4
    assert len(host_slots([node], loads, 5, code_version=1, closed=[node.id])) == 2
    assert len(host_slots([node], {}, 5, code_version=1, closed=[node.id])) == 1
    assert load_of_node(node, loads) == 17

"""The audit is a chain for each tenant: written once by many at a time, trimmed, and any tampering with it is found."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store import Store
from store.audit import audit_log
from store.audit.lines import AuditEvent, AuditLine, Head, follow, parse_exported
from store.audit.verify import Verification, verify_lines, verify_stored
from store.principals import tenant_name_of
from tests.store.conftest import Target
from tests.support.writer import NOW

DAY_MS = 86_400_000


def event(number: int, at: int = NOW) -> AuditEvent:
    return AuditEvent(f"e{number}", "key_revoked", at, "acme/ada", outcome="done", data={"key": f"k{number}"})


async def fill(store: Store, count: int, tenant: str = "acme") -> None:
    await store.audit.append(tenant, [event(number) for number in range(1, count + 1)], NOW)


async def lines_of(store: Store, tenant: str = "acme") -> list[AuditLine]:
    return [line async for line in store.audit.read_all(tenant)]


def test_the_hash_is_part_of_the_data_format() -> None:
    line, head = follow(Head("acme"), event(1), NOW + 5)
    assert line.body == (
        b'{"at":1700000000000,"data":{"key":"k1"},"id":"e1","outcome":"done","previous":"' + b"0" * 64 + b'",'
        b'"principal":"acme/ada","recorded_at":1700000000005,"seq":1,"tenant":"acme","type":"key_revoked"}'
    )
    assert head == Head("acme", 1, hashlib.sha256(line.body).hexdigest(), NOW + 5)


async def test_lines_are_chained_and_read_in_both_directions(store: Store, second_store: Store) -> None:
    await fill(store, 3)
    await second_store.audit.append("acme", [event(4)], NOW - 7)

    lines = await lines_of(store)
    assert [line.seq for line in lines] == [1, 2, 3, 4]
    said = [line.fields() for line in lines]
    assert [line["previous"] for line in said[1:]] == [line.hash for line in lines[:-1]]
    assert [line["recorded_at"] for line in said] == [NOW] * 4, "time does not go back in a chain"
    assert said[3]["data"] == {"key": "k4"}
    assert await second_store.audit.head("acme") == Head("acme", 4, lines[3].hash, NOW)
    assert [line.seq for line in await store.audit.read_back("acme", limit=2)] == [4, 3]
    assert [line.seq for line in await store.audit.read_back("acme", before=3)] == [2, 1]
    assert await store.audit.read_back("acme", before=1) == []
    assert [line.seq for line in await store.audit.read("acme", after=2)] == [3, 4]


async def test_an_event_that_comes_again_is_written_once(store: Store, second_store: Store) -> None:
    await fill(store, 3)
    await second_store.audit.append("acme", [event(2), event(3), event(4), event(4)], NOW)
    await store.audit.append("acme", [event(1)], NOW)
    await store.audit.append("acme", [event(5)], NOW)

    assert [line.fields()["id"] for line in await lines_of(store)] == ["e1", "e2", "e3", "e4", "e5"]
    assert (await verify_stored(store.audit, "acme")).findings == []


async def test_many_writers_at_once_make_one_chain(store: Store, target: Target) -> None:
    writers = [target.connect(store.keys.prefix) for _ in range(6)]
    try:
        await asyncio.gather(
            *(
                writer.audit.append("acme", [event(1000 * number + n), event(n)], NOW)
                for number, writer in enumerate(writers, 1)
                for n in range(10)
            )
        )
    finally:
        for writer in writers:
            await writer.aclose()
    lines = await lines_of(store)
    assert [line.seq for line in lines] == list(range(1, 71))
    assert len({line.fields()["id"] for line in lines}) == 70
    assert (await verify_stored(store.audit, "acme")).findings == []


async def test_an_answer_that_was_lost_writes_nothing_twice(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(store, 1)
    run, asked = store._client.run, 0

    async def lose_the_first_answer(*arguments: object) -> object:
        nonlocal asked
        asked += 1
        answer = await run(*arguments)  # type: ignore[arg-type]
        if asked == 1:
            raise ConnectionError("the answer is lost")
        return answer

    monkeypatch.setattr(store._client, "run", lose_the_first_answer)
    await store.audit.append("acme", [event(2), event(3)], NOW)
    monkeypatch.undo()
    assert asked == 2
    assert [line.fields()["id"] for line in await lines_of(store)] == ["e1", "e2", "e3"]


async def test_tenants_have_chains_of_their_own(store: Store) -> None:
    await fill(store, 2)
    await fill(store, 3, "evil")
    assert await store.audit.tenants() == ["acme", "evil"]
    assert [len(await lines_of(store, tenant)) for tenant in ("acme", "evil", "none")] == [2, 3, 0]
    assert [tenant_name_of(who) for who in ("acme/ada", "local", None, "/x")] == ["acme", "-", "-", "-"]
    assert (await store.audit.head("none")).seq == 0


async def test_what_is_old_goes_and_the_chain_stays_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_log, "MAX_TRIMMED_AT_ONCE", 3)
    for number in range(1, 11):
        await store.audit.append("acme", [event(number)], NOW + number * DAY_MS)
    later = NOW + 11 * DAY_MS

    assert await store.audit.trim("acme", NOW, later) == 0
    assert await store.audit.trim("acme", NOW + 8 * DAY_MS, later) == 7
    assert await store.audit.trim("acme", NOW + 8 * DAY_MS, later) == 0
    lines = await lines_of(store)
    assert [line.seq for line in lines] == [8, 9, 10, 11]
    assert lines[-1].fields()["data"] == {
        "through": 7,
        "hash": lines[0].fields()["previous"],
        "before": NOW + 8 * DAY_MS,
    }
    assert (await verify_stored(store.audit, "acme")).findings == []
    assert await store.audit.trim("acme", NOW + 99 * DAY_MS, NOW + 100 * DAY_MS) == 11
    assert [line.seq for line in await lines_of(store)] == [12]
    assert (await verify_stored(store.audit, "acme")).findings == []
    await store.audit.append("acme", [event(99)], NOW)
    assert (await verify_stored(store.audit, "acme")).findings == []


async def test_a_trim_that_was_interrupted(store: Store, target: Target) -> None:
    for number in range(1, 6):
        await store.audit.append("acme", [event(number)], NOW + number)
    await store.audit.trim("acme", NOW + 4, NOW + 9)
    client = target.client()
    key = store.keys.audit("acme").lines
    await fill(store, 9, "other")
    kept = [(f"{line.seq}-0", line.body) for line in await lines_of(store)]
    before = [(f"{number}-0", follow_to(number)) for number in (2, 3)]
    await client.delete(key)
    for name, body in (*before, *kept):
        await client.xadd(key, {"d": body}, id=name)
    assert (await verify_stored(store.audit, "acme")).findings == [], "what is about to go is vouched for as well"
    await client.xtrim(key, minid="5-0", approximate=False)
    assert faults(await verify_stored(store.audit, "acme")) == {(1, "removed")}
    await client.aclose()


def follow_to(number: int) -> bytes:
    head = Head("acme")
    for each in range(1, number + 1):
        line, head = follow(head, event(each), NOW + each)
    return line.body


def faults(found: Verification) -> set[tuple[int, str]]:
    return {(finding.seq, finding.fault) for finding in found.findings}


async def test_a_chain_that_is_cut_off_is_found(store: Store, target: Target) -> None:
    await fill(store, 6)
    key, noted = store.keys.audit("acme"), await store.audit.head("acme")
    client = target.client()
    await client.xdel(key.lines, "6-0")
    assert faults(await verify_stored(store.audit, "acme")) == {(6, "cut off")}

    line = (await store.audit.read("acme", after=4, limit=1))[0]
    await client.hset(key.head, mapping={"seq": 5, "hash": line.hash})
    assert faults(await verify_stored(store.audit, "acme")) == set(), "it looks whole by itself"
    assert faults(await verify_stored(store.audit, "acme", noted)) == {(6, "cut off")}

    await store.audit.append("acme", [event(7)], NOW)
    assert faults(await verify_stored(store.audit, "acme", noted)) == {(6, "removed")}
    await client.xadd(key.lines, {"d": b"{}"}, id="9-0")
    assert (9, "moved") in faults(await verify_stored(store.audit, "acme"))
    await client.delete(key.lines)
    assert (1, "cut off") in faults(await verify_stored(store.audit, "acme"))
    await client.aclose()


LINES: list[AuditLine] = []
HEAD = Head("acme")
for number in range(1, 9):
    made, HEAD = follow(HEAD, event(number, NOW + number), NOW + number)
    LINES.append(made)
Tampering = Callable[[list[AuditLine], int, int], list[AuditLine]]


def remove(lines: list[AuditLine], at: int, _: int) -> list[AuditLine]:
    return lines[:at] + lines[at + 1 :]


def swap(lines: list[AuditLine], at: int, other: int) -> list[AuditLine]:
    lines[at], lines[other] = lines[other], lines[at]
    return lines


def exchange(lines: list[AuditLine], at: int, other: int) -> list[AuditLine]:
    """What two lines say changes places."""
    lines[at], lines[other] = replace(lines[at], body=lines[other].body), replace(lines[other], body=lines[at].body)
    return lines


def repeat(lines: list[AuditLine], at: int, other: int) -> list[AuditLine]:
    return [*lines[:other], lines[at], *lines[other:]]


def flip(lines: list[AuditLine], at: int, other: int) -> list[AuditLine]:
    """One byte is another one."""
    body = bytearray(lines[at].body)
    body[other * 29 % len(body)] ^= 1
    lines[at] = replace(lines[at], body=bytes(body))
    return lines


def rewrite(lines: list[AuditLine], at: int, _: int) -> list[AuditLine]:
    """A field is another one, and the line is well-formed."""
    said = {**orjson.loads(lines[at].body), "principal": "acme/eve"}
    lines[at] = replace(lines[at], body=orjson.dumps(said, option=orjson.OPT_SORT_KEYS))
    return lines


def add(lines: list[AuditLine], at: int, _: int) -> list[AuditLine]:
    """A line is put in between."""
    said = {**orjson.loads(lines[at].body), "id": "x"}
    return [*lines[:at], replace(lines[at], body=orjson.dumps(said)), *lines[at:]]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tampering=st.sampled_from([remove, swap, exchange, repeat, flip, rewrite, add]),
    at=st.integers(0, len(LINES) - 1),
    other=st.integers(0, len(LINES) - 1),
)
def test_every_tampering_is_found(tampering: Tampering, at: int, other: int) -> None:
    tampered = tampering(list(LINES), at, other)
    if tampered != LINES:
        assert asyncio.run(verify_all(tampered, HEAD)).findings != []


async def verify_all(lines: list[AuditLine], head: Head | None = None) -> Verification:
    async def each() -> AsyncIterator[AuditLine]:
        for line in lines:
            yield line

    return await verify_lines(each(), "acme", head=head)


async def test_an_exported_line_is_what_it_was() -> None:
    assert (await verify_all(LINES, HEAD)).findings == []
    assert [parse_exported(line.exported()) for line in LINES] == LINES
    changed = LINES[3].exported().replace(LINES[3].hash[:8].encode(), b"00000000")
    assert faults(await verify_all([*LINES[:3], parse_exported(changed)])) == {(3, "changed"), (4, "changed")}
    for text in (b"[]", b"{}", b'{"seq": "1", "hash": ""}', b"no"):
        with pytest.raises(ValueError):
            parse_exported(text)

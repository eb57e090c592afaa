"""Batches on the page: a file is looked at, sent and begun; how far it is; what failed; pause, retry, results."""

import gzip
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest
from playwright.sync_api import Locator, expect

from agents.clock import now_ms
from deployments.batches.client import new_batch
from deployments.batches.definition import BatchDefinition
from store import Store
from store.registries.batches import BatchRecord, RowNote
from tests.page.conftest import SignedIn
from tests.support.locked_service import LockedService
from tests.support.person import Person

pytestmark = pytest.mark.browser

ROWS = ({"subject": "Tea", "to": {"name": "Ada"}}, {"subject": "Coffee", "to": {"name": "Bob"}}, {"subject": "Milk"})


def lines(rows: Sequence[object] = ROWS) -> bytes:
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def view(person: Person) -> Locator:
    return person.page.locator(".view")


def named(person: Person, label: str) -> Locator:
    return view(person).get_by_label(label, exact=True)


async def make(store: Store, batch_id: str, owner: str = "acme/ada") -> BatchRecord:
    """A batch of three rows that runs."""
    definition = BatchDefinition(agent="assistant", source="https://example.com/rows.jsonl", name="Drinks")
    await store.batches.add(new_batch(batch_id, owner, definition))
    await store.batches.forget_open(batch_id)  # it has no job, and is not to get one
    fields = {"state": "running", "total": 3, "started_at": now_ms(), "rate": 500}
    batch = await store.batches.change(batch_id, ("queued",), fields)
    assert batch is not None
    return batch


async def note(store: Store, batch_id: str, *notes: RowNote) -> None:
    await store.batches.note_rows(batch_id, notes)


async def get(store: Store, batch_id: str) -> BatchRecord:
    batch = await store.batches.get(batch_id)
    assert batch is not None
    return batch


def test_a_file_is_looked_at_sent_and_begun(signed_in: SignedIn, locked: LockedService, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl.gz"
    rows.write_bytes(gzip.compress(lines()))
    person = signed_in(locked.key())
    person.go("/#/work/batches")
    view(person).get_by_role("link", name="New batch").click()
    named(person, "Name").fill("Drinks")
    named(person, "File").set_input_files(rows)
    expect(view(person).locator(".next-times")).to_contain_text("It has no text `message`")
    person.press("subject")
    expect(named(person, "Message of each row")).to_have_value("{{subject}}")
    expect(view(person).locator(".first-message")).to_have_text("Tea")
    named(person, "Message of each row").fill("{{ subject }} for {{to.name}}")
    expect(view(person).locator(".first-message")).to_have_text("Tea for Ada")
    expect(view(person).get_by_text("Row 3: It has no field to.name.")).to_be_visible()
    view(person).get_by_text("Rules and results").click()
    named(person, "Rows at once").fill("7")
    named(person, "Fields that the results have too").fill("subject, to")
    person.press("Begin")

    expect(view(person).get_by_role("heading", name="Drinks")).to_be_visible()
    expect(view(person).locator(".standing")).to_contain_text("Waiting for a worker")
    kept = locked.do(lambda store: get(store, person.page.url.rpartition("/")[2]))
    definition = BatchDefinition.model_validate_json(kept.definition)
    assert (kept.owner, definition.concurrency, definition.columns) == ("acme/ada", 7, ["subject", "to"])
    assert definition.template == "{{ subject }} for {{to.name}}"
    assert definition.file is not None
    sent = [path.read_bytes() for path in locked.data_dir.rglob(definition.file)]
    assert sent == [rows.read_bytes()]


def test_a_batch_is_followed_paused_and_ended(signed_in: SignedIn, locked: LockedService) -> None:
    locked.do(lambda store: make(store, "b1"))
    locked.do(lambda store: make(store, "bobs", "acme/bob"))
    person = signed_in(locked.key())
    person.go("/#/work/batches")
    row = view(person).locator("tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("0 of 3")
    row.get_by_role("link").click()
    standing = view(person).locator(".standing")
    expect(standing).to_have_text("Running")
    figures = view(person).locator(".figures")
    expect(figures).to_contain_text("Time left6.0 s")

    done = RowNote(1, 0, "succeeded", input_tokens=1000, output_tokens=234, cost=1500)
    failed = RowNote(2, 0, "failed", "rate_limited: too <b>many</b>")
    locked.do(lambda store: note(store, "b1", done, failed))
    expect(view(person).locator(".progress")).to_contain_text("2 of 3 · 1 failed")
    for words in ("Tokens1,234", "Cost$0.0015"):
        expect(figures).to_contain_text(words)
    failures = view(person).get_by_role("region", name="Failed rows")
    expect(failures.get_by_role("cell")).to_have_text(["rate_limited: too <b>many</b>"])
    expect(failures.get_by_role("link", name="Row 2")).to_have_attribute("href", "#/c/batch-b1-2")

    one = view(person).get_by_role("region", name="One row")
    for row, words in (("2", "Row 2 has failed"), ("3", "Row 3 has not begun")):
        one.get_by_label("Row").fill(row)
        one.get_by_role("button", name="Look up").click()
        expect(one.get_by_role("status")).to_contain_text(words)

    person.press("Pause")
    expect(standing).to_contain_text("is being paused")
    assert locked.do(lambda store: get(store, "b1")).wanted == "pause"
    person.press("Resume")
    expect(standing).to_have_text("Waiting for a worker")
    over = {"state": "done", "finished_at": now_ms(), "wanted": ""}
    locked.do(lambda store: store.batches.change("b1", ("queued",), over))
    expect(standing).to_have_text("Done")
    download = view(person).get_by_role("link", name="Download Parquet")
    expect(download).to_have_attribute("href", "/v1/batches/b1/results?format=parquet")
    person.press("Retry failed rows")
    expect(standing).to_have_text("Waiting for a worker")
    assert locked.do(lambda store: get(store, "b1")).failed == 0
    person.press("Cancel the batch")
    dialog = person.page.get_by_role("dialog", name="Cancel Drinks?")
    dialog.get_by_role("button", name="Cancel the batch").click()
    expect(standing).to_contain_text("is being cancelled")


def test_a_key_that_only_reads_is_offered_no_change(signed_in: SignedIn, locked: LockedService) -> None:
    locked.do(lambda store: make(store, "b1"))
    reader = signed_in(locked.key(scopes=frozenset({"read"})))
    reader.page.set_viewport_size({"width": 360, "height": 740})
    for address in ("/#/work/batches", "/#/work/batches/b1"):
        reader.go(address)
        expect(view(reader)).to_contain_text("Drinks")
        expect(view(reader)).to_contain_text("Running")
        # A row may be looked up by who may read.
        expect(view(reader).get_by_role("button")).to_have_text(["Look up"] if address.endswith("b1") else [])
        expect(view(reader).get_by_role("link", name="New batch")).to_have_count(0)
        assert reader.page.evaluate("document.getElementById('place').scrollWidth") <= 360
    reader.go("/#/work/new-batch")
    expect(view(reader)).to_contain_text("Nothing is here")

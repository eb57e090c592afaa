"""The archive: a segment is exactly what was written, or an error that says what is wrong with it."""

import gzip
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from store import Archive, Record
from store.errors import ArchiveDamaged, ArchiveUnavailable
from store.log.segment import Segment, SegmentName, fingerprint, fingerprints, pack, unpack

RECORDS = [Record(1, b'{"type":"user_msg"}'), Record(2, "…\n\u2028ü".encode()), Record(3, bytes(range(256)))]
SEGMENT = Segment(RECORDS, {"first": 1, "again": 3})


def test_a_segment_is_read_as_it_was_packed() -> None:
    name, content = pack("c", SEGMENT)

    assert (name.first, name.last) == (1, 3)
    assert unpack("c", name, content) == SEGMENT
    assert pack("c", SEGMENT) == (name, content), "the same content is the same file"
    assert pack("d", SEGMENT)[0] != name


def test_a_segment_is_readable_text() -> None:
    lines = gzip.decompress(pack("c", SEGMENT)[1]).split(b"\n")

    assert lines[0] == b'{"conversation":"c","first":1,"last":3,"clients":{"again":3,"first":1}}'
    assert lines[1] == b'{"seq":1,"data":"{\\"type\\":\\"user_msg\\"}"}'


def wrong_byte(content: bytes) -> bytes:
    return content[:-20] + bytes([content[-20] ^ 1]) + content[-19:]


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda content: b"", "checksum"),
        (lambda content: content[:-10], "cannot be read"),
        (wrong_byte, "cannot be read"),
        (lambda content: b"not compressed", "cannot be read"),
        (lambda content: gzip.compress(b"{}\n"), "checksum"),
        (lambda content: gzip.compress(gzip.decompress(content)[:-30]), "checksum"),
    ],
)
def test_a_spoilt_segment_is_named(spoil: Callable[[bytes], bytes], problem: str) -> None:
    name, content = pack("c", SEGMENT)

    with pytest.raises(ArchiveDamaged, match=problem) as damage:
        unpack("c", name, spoil(content))
    assert (damage.value.conversation_id, damage.value.segment) == ("c", name.file)


def test_a_segment_of_another_conversation_is_refused() -> None:
    with pytest.raises(ArchiveDamaged, match="belongs to 'd'"):
        unpack("c", *pack("d", SEGMENT))


@pytest.mark.parametrize("file", ["", "1-2-x.jsonl.gz", "../000000000001-000000000002-0123456789abcdef.jsonl.gz"])
def test_other_files_are_no_segments(file: str) -> None:
    with pytest.raises(ValueError, match="not the name of a segment"):
        SegmentName.parse(file)


def test_fingerprints_stand_side_by_side() -> None:
    assert fingerprints({"a": 1, "b": 2}) == fingerprint("a") + fingerprint("b")
    assert len(fingerprint("a" * 1000)) == 4


async def test_a_directory_keeps_segments(tmp_path: Path) -> None:
    archive = Archive(str(tmp_path / "archive"))
    name = await archive.write("c/../d", SEGMENT)
    await archive.write("c/../d", SEGMENT)

    assert await archive.read("c/../d", name) == SEGMENT
    assert [path.name for path in (tmp_path / "archive").rglob("*.gz")] == [name.file]
    assert {path.parent.parent for path in (tmp_path / "archive").rglob("*.gz")} == {tmp_path / "archive"}

    await archive.drop("c/../d")
    await archive.drop("c/../d")
    assert list((tmp_path / "archive").iterdir()) == []
    archive.close()


async def test_storage_that_has_no_files_and_no_directories_keeps_segments(tmp_path: Path) -> None:
    archive = Archive(f"memory://{tmp_path}")
    await archive.drop("c")
    await archive.open()
    name = await archive.write("c", SEGMENT)
    other, _ = pack("c", Segment(RECORDS[:1], {}))
    await archive.write("d", SEGMENT)

    assert await archive.read("c", name) == SEGMENT
    with pytest.raises(ArchiveDamaged, match="it is missing"):
        await archive.read("c", other)
    await archive.drop("c")
    with pytest.raises(ArchiveDamaged, match="it is missing"):
        await archive.read("c", name)
    assert (await archive.read("d", pack("d", SEGMENT)[0])).clients == SEGMENT.clients
    archive.close()


async def test_a_segment_that_was_just_read_is_cached(tmp_path: Path) -> None:
    archive = Archive(f"file://{tmp_path}")
    names = [await archive.write(f"c{number}", SEGMENT) for number in range(20)]
    for number, name in enumerate(names):
        await archive.read(f"c{number}", name)
    for number in range(20):
        shutil.rmtree(tmp_path / f"c{number}")

    assert await archive.read("c19", names[19]) == SEGMENT
    with pytest.raises(ArchiveDamaged, match="it is missing"):
        await archive.read("c0", names[0])
    archive.close()


async def test_an_unmounted_archive_is_unavailable_and_not_damaged(tmp_path: Path) -> None:
    archive = Archive(str(tmp_path / "archive"))
    name = await archive.write("c", SEGMENT)
    (tmp_path / "archive").rename(tmp_path / "unmounted")

    with pytest.raises(ArchiveUnavailable):
        await archive.read("c", name)
    with pytest.raises(ArchiveUnavailable):
        await archive.drop("c")

    (tmp_path / "unmounted").rename(tmp_path / "archive")
    assert await archive.read("c", name) == SEGMENT
    archive.close()


async def test_an_archive_that_hangs_is_given_up(tmp_path: Path) -> None:
    archive = Archive(str(tmp_path), seconds=0.1)
    name, _ = pack("c", SEGMENT)
    (tmp_path / "c").mkdir()
    os.mkfifo(tmp_path / "c" / name.file)  # opening it waits for a writer

    with pytest.raises(ArchiveUnavailable, match="TimeoutError"):
        await archive.read("c", name)
    (tmp_path / "c" / name.file).open("wb").close()
    archive.close()


async def test_an_archive_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("a file")
    archive = Archive(str(tmp_path / "archive"))

    with pytest.raises(ArchiveUnavailable):
        await archive.write("c", SEGMENT)
    archive.close()


@pytest.mark.parametrize("url", ["s3://bucket/path", "nonsense://x"])
def test_a_url_without_its_driver_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="cannot be used"):
        Archive(url).check()


async def test_a_url_without_its_driver_leaves_the_log_alone(tmp_path: Path) -> None:
    archive = Archive("nonsense://x")
    with pytest.raises(ArchiveUnavailable, match="Protocol not known"):
        await archive.write("c", SEGMENT)
    archive.close()

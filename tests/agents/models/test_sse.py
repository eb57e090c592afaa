"""The reader of server-sent events: the format's rules, wherever the bytes are cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.models.anthropic import sse
from agents.models.anthropic.sse import LineTooLongError, ServerSentEvent, SseReader


def read(*chunks: bytes) -> list[ServerSentEvent]:
    reader = SseReader()
    return [event for chunk in chunks for event in reader.feed(chunk)]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        pytest.param(b"data: a\n\n", [("", b"a")], id="the smallest event"),
        pytest.param(b"event: x\ndata: a\n\n", [("x", b"a")], id="a named one"),
        pytest.param(b"event: x\r\ndata: a\r\n\r\n", [("x", b"a")], id="CRLF"),
        pytest.param(b"event: x\rdata: a\r\r", [("x", b"a")], id="CR"),
        pytest.param(b": heartbeat\n\ndata: a\n\n", [("", b"a")], id="comments are skipped"),
        pytest.param(b"data: a\ndata: b\n\n", [("", b"a\nb")], id="several data lines"),
        pytest.param(b"data:a\n\n", [("", b"a")], id="no space after the colon"),
        pytest.param(b"data:  a\n\n", [("", b" a")], id="only one space is taken off"),
        pytest.param(b"data\n\n", [("", b"")], id="a field without a colon is empty"),
        pytest.param(b"id: 7\nretry: 9\ndata: a\n\n", [("", b"a")], id="other fields are ignored"),
        pytest.param(b"event: x\n\ndata: a\n\n", [("", b"a")], id="a name without data is forgotten"),
        pytest.param(b"\xef\xbb\xbfdata: a\n\n", [("", b"a")], id="byte order mark"),
        pytest.param(b"data: a\n\ndata: b\n", [("", b"a")], id="an unfinished event is discarded"),
        pytest.param("data: ü — 🙂\x85\n\n".encode(), [("", "ü — 🙂\x85".encode())], id="no Unicode line ends"),
    ],
)
def test_format(stream: bytes, events: list[tuple[str, bytes]]) -> None:
    assert read(stream) == [ServerSentEvent(name, data) for name, data in events]


LINES = st.sampled_from([b"data: a", b"data: ", b"event: x", b": c", b"", b"", b"data: \xc3\xbc", b"id: 1"])
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@given(lines=st.lists(st.tuples(LINES, ENDS), max_size=12), cuts=st.lists(st.integers(0, 120), max_size=12))
def test_chunk_boundaries_change_nothing(lines: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    stream = b"".join(line + end for line, end in lines)
    borders = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    chunks = [stream[start:end] for start, end in pairwise(borders)]
    assert read(*chunks) == read(stream)


def test_an_empty_chunk_between_the_halves_of_a_line_end() -> None:
    assert read(b"data: a\r", b"", b"\ndata: b\n\n") == [ServerSentEvent("", b"a\nb")]


def test_byte_by_byte() -> None:
    stream = b"\xef\xbb\xbfevent: x\r\ndata: {}\r\n\r\n"
    assert read(*(bytes([byte]) for byte in stream)) == [ServerSentEvent("x", b"{}")]


def test_an_endless_line_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_LINE", 100)
    with pytest.raises(LineTooLongError):
        read(b"data: ", b"x" * 60, b"x" * 60)

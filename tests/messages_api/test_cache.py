"""The stand-in's prompt cache: whole prefixes, found at the markers and some blocks before them."""

from typing import Any

from tests.messages_api.cache import MAX_LOOK_BACK, PromptCache

MARKER = {"cache_control": {"type": "ephemeral"}}


def block(words: str, *, marked: bool = False) -> dict[str, Any]:
    return {"type": "text", "text": words * 20, **(MARKER if marked else {})}


def request(*blocks: dict[str, Any], system: str = "Be brief.") -> dict[str, Any]:
    return {"system": system, "messages": [{"role": "user", "content": list(blocks)}]}


def counts(usage: dict[str, int]) -> tuple[bool, bool, bool]:
    """Whether anything was paid in full, written, read."""
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return tuple(usage[name] > 0 for name in names)  # type: ignore[return-value]


def test_without_markers_nothing_is_cached() -> None:
    cache = PromptCache()
    assert [counts(cache.usage(request(block("a")))) for _ in range(2)] == [(True, False, False)] * 2


def test_what_was_written_is_read() -> None:
    cache = PromptCache()
    first = cache.usage(request(block("a", marked=True), block("b")))
    second = cache.usage(request(block("a", marked=True), block("c")))
    assert (counts(first), counts(second)) == ((True, True, False), (True, False, True))
    assert second["cache_read_input_tokens"] == first["cache_creation_input_tokens"]


def test_only_what_is_new_is_written() -> None:
    cache = PromptCache()
    first = cache.usage(request(block("a", marked=True)))
    second = cache.usage(request(block("a"), block("b", marked=True)))
    assert second["cache_read_input_tokens"] == first["cache_creation_input_tokens"]
    assert second["cache_creation_input_tokens"] > 0
    assert second["input_tokens"] == 0


def test_any_change_before_the_marker_is_a_miss() -> None:
    cache = PromptCache()
    cache.usage(request(block("a", marked=True)))
    assert counts(cache.usage(request(block("a", marked=True), system="Be long."))) == (False, True, False)


def test_it_does_not_look_back_for_ever() -> None:
    for between, found in ((MAX_LOOK_BACK - 1, True), (MAX_LOOK_BACK, False)):
        cache = PromptCache()
        cache.usage(request(block("a", marked=True)))
        later = [block(str(number)) for number in range(between - 1)]
        usage = cache.usage(request(block("a"), *later, block("z", marked=True)))
        assert (usage["cache_read_input_tokens"] > 0) == found

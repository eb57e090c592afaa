"""Any result at all becomes an outcome, and the log gives back what was stored."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from agents.tools import Document, Image
from agents.tools.outcome import bounded_text, outcome_of

TEXTS = st.text(st.characters(exclude_categories=()))  # half characters too
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**63, max_value=2**70)
    | st.floats()
    | TEXTS
    | st.binary()
    | st.builds(object)
    | st.builds(Image, st.binary())
    | st.builds(Document, st.binary(), st.sampled_from(["application/pdf", "text/plain"]), TEXTS)
)


def nested(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    blocks = st.fixed_dictionaries(
        {"type": st.sampled_from(["text", "image", "document", "search_result", "other"])},
        optional={"text": values, "source": values, "title": values, "content": values},
    )
    keys = TEXTS | st.integers() | st.none() | st.tuples(st.integers())
    return st.lists(values, max_size=4) | st.dictionaries(keys, values, max_size=4) | blocks | st.lists(blocks)


@given(st.recursive(LEAVES, nested, max_leaves=12))
def test_the_log_gives_back_any_outcome(value: Any) -> None:
    found = outcome_of("give", value)
    assert orjson.loads(orjson.dumps(found.content)) == found.content
    if found.status == "ok" and not isinstance(found.content, str):
        assert all(block["type"] in ("text", "image", "document", "search_result") for block in found.content)


@given(TEXTS | LEAVES)
def test_the_log_gives_back_any_message(message: Any) -> None:
    assert orjson.loads(orjson.dumps(bounded_text(message))) == bounded_text(message)

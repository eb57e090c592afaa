"""How `raylogue status` says that a consumer of the feed is late, or has missed something."""

import time
from typing import Any

import pytest

from deployments.cli.commands.status import describe_late_group


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({}, None),
        ({"lag": 3, "oldest_at": 5}, None),
        ({"lag": 3, "oldest_at": 600}, "audit is 3 entries behind, for 10 min"),
        ({"aside": 2}, "audit could not take 2 entries, which are set aside"),
        ({"lost": 7}, "audit has lost 7 entries: it was away for too long"),
    ],
)
def test_a_group_is_one_line_if_something_is_wrong(known: dict[str, int], words: str | None) -> None:
    group: dict[str, Any] = {"name": "audit", "lag": 0, "oldest_at": None, "lost": 0, "aside": 0, "seen_at": 1}
    ages = {name: round((time.time() - seconds) * 1000) for name, seconds in known.items() if name == "oldest_at"}
    assert describe_late_group({**group, **known, **ages}) == words

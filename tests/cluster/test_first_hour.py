"""The first hour of a newcomer is as docs/first_hour.md tells it, word for word."""

import pytest

from tests.support.containers import needs_containers
from tests.support.first_hour import PAGE, tell
from tests.support.transcript import difference

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900), needs_containers]


def test_the_page_tells_what_happens() -> None:
    assert not difference(PAGE, tell())

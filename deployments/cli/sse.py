"""Reads server-sent events from the lines of a response."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

Event = dict[str, Any]
"""An event of a conversation as it is on the wire: always with a `type`."""


def read_events(lines: Iterable[str]) -> Iterator[Event]:
    """The events; comments, which are heartbeats, and all fields but the data say nothing that it does not."""
    data: list[str] = []
    for line in lines:
        if line.startswith("data:"):
            data.append(line.removeprefix("data:").removeprefix(" "))
        elif not line and data:
            event: Event = json.loads("\n".join(data))
            yield event
            data.clear()

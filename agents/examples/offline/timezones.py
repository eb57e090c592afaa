"""Finds the time zone that a sentence names, by its IANA name or by its city."""

import re
from functools import cache
from zoneinfo import available_timezones

IANA = re.compile(r"\b[A-Z][A-Za-z]+/[A-Z][A-Za-z_+-]+(?:/[A-Z][A-Za-z_]+)?\b")
PLACE = re.compile(r"\bin ((?:[^\W\d_]+[ ]?){1,3})", re.IGNORECASE)


def find_timezone(text: str) -> str | None:
    """The zone's name as written, or that of the city after "in"; None when the sentence names neither."""
    if named := IANA.search(text):
        return named[0]
    if place := PLACE.search(text):
        words = place[1].lower().split()
        lengths = range(len(words), 0, -1)
        return next((zone for length in lengths if (zone := _cities().get("_".join(words[:length])))), None)
    return None


@cache
def _cities() -> dict[str, str]:
    zones = sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc/"))
    return {zone.rsplit("/", 1)[-1].lower(): zone for zone in zones}

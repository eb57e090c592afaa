"""The lock installs the same packages everywhere, from wherever the person's pip gets them."""

import re
import tomllib

from tests.house.tree import ROOT

LOCK = (ROOT / "requirements.lock").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINNED = re.compile(r"^([a-z0-9.-]+)(?:\[[a-z,]+\])?==(\S+)", re.MULTILINE)
NAME = re.compile(r"^[A-Za-z0-9.-]+")


def test_every_package_is_pinned_with_hashes() -> None:
    entries = [entry for entry in re.split(r"\n(?=\S)", LOCK) if PINNED.match(entry)]
    assert len(entries) > 50
    assert [entry.partition(" ")[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_it_names_neither_hosts_nor_places() -> None:
    options = [line for line in LOCK.splitlines() if line.startswith("-")]
    assert options == []
    assert "://" not in LOCK
    assert " @ " not in LOCK


def test_it_holds_all_that_the_project_asks_for() -> None:
    project = PROJECT["project"]
    asked = [*project["dependencies"], *PROJECT["build-system"]["requires"]]
    for extra in project["optional-dependencies"].values():
        asked += extra
    pinned = {package for package, _ in PINNED.findall(LOCK)}
    wanted = {match[0].lower() for text in asked if (match := NAME.match(text))}
    assert wanted - pinned == set()

"""What the documents promise is there: files, commands, settings."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from deployments.cli.main import application
from deployments.process.variables import settings_page
from tests.house.tree import PACKAGES, ROOT, files, modules, name

FOLDERS = (*PACKAGES, "tests", "benchmarks", "docs")
PATH = re.compile(r"(?<![\w./-])((?:{})/[\w./*-]*\w/?)".format("|".join(FOLDERS)))
LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)")
COMMAND = r"(?:[A-Z_]+=\S+ )*(?:[\w./]*/)?(?:make|raylogue) [a-z-]"
SHOWN = re.compile(rf"^(?:    |\$ )?({COMMAND}.*)$", re.MULTILINE)
MENTIONED = re.compile(rf"`({COMMAND}[^`\n]*)`")
TARGET = re.compile(r"^([a-z]+):", re.MULTILINE)
DOCUMENTS = sorted(path for path in files(".md"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_paths_in_documents_exist(document: Path) -> None:
    assert [path for path in PATH.findall(document.read_text()) if not _exists(path)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    links = LINK.findall(document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_paths_in_the_code_exist() -> None:
    missing = [
        (name(module), path)
        for module in modules(*PACKAGES)
        for path in PATH.findall(module.read_text())
        if "." in path.rpartition("/")[2] and not _exists(path)
    ]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_commands_in_documents_run(document: Path) -> None:
    unknown = [" ".join(command) for command in _commands(document) if not _runs(command)]
    assert unknown == []


def test_the_readme_has_the_two_commands() -> None:
    commands = list(_commands(ROOT / "README.md"))
    assert ["make", "run"] in commands
    assert ["make", "test"] in commands


def test_the_settings_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "settings.md").read_text() == settings_page(), "run `make settings`"


def _exists(path: str) -> bool:
    return any(ROOT.glob(path.rstrip("/")))


def _commands(document: Path) -> Iterator[list[str]]:
    """The commands of ours that the document shows or mentions, without comments and variables in front."""
    text = document.read_text()
    for shown in (*SHOWN.findall(text), *MENTIONED.findall(text)):
        words = shlex.split(shown, comments=True)
        while re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words.pop(0)
        yield words


def _runs(command: list[str]) -> bool:
    """Whether a command of ours exists, with the options that the document gives it."""
    program = command[0].rpartition("/")[2]
    if program == "make":
        return set(_targets(command)) <= set(TARGET.findall((ROOT / "Makefile").read_text()))
    return _is_command(command[1:])


def _targets(command: list[str]) -> list[str]:
    return [word for word in command[1:] if "=" not in word and not word.startswith("-")]


def _is_command(words: list[str]) -> bool:
    commands = get_command(application).commands  # type: ignore[attr-defined]  # it is a group
    if not words or words[0] not in commands:
        return words == ["--help"]
    command, *rest = words
    found = commands[command]
    while hasattr(found, "commands") and rest and rest[0] in found.commands:  # a group, such as `raylogue keys`
        found, rest = found.commands[rest[0]], rest[1:]
    if hasattr(found, "commands"):
        return rest == []
    known = {option for parameter in found.params for option in parameter.opts} | {"--help"}
    return {word.partition("=")[0] for word in words[1:] if re.match(r"--?[a-z]", word)} <= known

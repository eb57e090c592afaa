"""`raylogue keys`, on the store of a service that does not run; and the key that the other commands show."""

import re

import pytest

from tests.cli.conftest import Terminal

KEY = re.compile(r"rl_([a-z2-7]{12})_[A-Za-z0-9_-]{43}\n")


@pytest.fixture(autouse=True)
def data(terminal: Terminal) -> None:
    terminal.data_dir.mkdir()


def test_a_key_is_made_listed_and_revoked(terminal: Terminal) -> None:
    made = terminal.run(
        "keys", "create", "ada", "--tenant", "acme", "--role", "admin", "--scope", "read", "--days", "1"
    )
    assert made.returncode == 0, made.stderr
    found = KEY.fullmatch(made.stdout)
    assert found is not None
    assert "acme/ada (admin; read)" in made.stderr
    assert made.stdout.strip() not in made.stderr

    listed = terminal.run("keys", "list", "--tenant", "acme")
    assert re.search(rf"{found[1]}\s+acme/ada\s+admin\s+read", listed.stdout), listed.stderr
    assert made.stdout.strip() not in listed.stdout

    assert terminal.run("keys", "revoke", found[1]).returncode == 0
    assert "no keys" in terminal.run("keys", "list", "--tenant", "acme").stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["create", "a/b", "--tenant", "acme"], "is no id"),
        (["create", "ada", "--tenant", "acme", "--role", "king"], "king is none of admin, operator, user"),
    ],
)
def test_what_is_refused(terminal: Terminal, arguments: list[str], reason: str) -> None:
    refused = terminal.run("keys", *arguments)
    assert refused.returncode == 1
    assert reason in refused.stderr


def test_a_public_address_without_authentication(terminal: Terminal) -> None:
    refused = terminal.run("up", "--host", "0.0.0.0")
    assert refused.returncode == 1
    assert "0.0.0.0 is a public address, and RAYLOGUE_AUTH is off" in refused.stderr

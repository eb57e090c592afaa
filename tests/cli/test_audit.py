"""`raylogue audit` on the store itself: what it lists, exports and finds; and keys, whose making is told there."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from redis import Redis
from typer.testing import CliRunner

from deployments.cli.errors import CommandFailed
from deployments.cli.main import application

Run = Callable[..., Result]


@pytest.fixture
def run(redis_url: str, redis_prefix: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs a command in this process; the store is one of the test's own."""
    monkeypatch.setenv("RAYLOGUE_REDIS_URL", redis_url)
    monkeypatch.setenv("RAYLOGUE_PREFIX", redis_prefix)
    monkeypatch.setenv("RAYLOGUE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    runner = CliRunner()
    return lambda *arguments: runner.invoke(application, arguments)


@pytest.fixture
def audited(run: Run) -> Run:
    """Two keys were made, and one was revoked."""
    for tenant in ("acme", "evil"):
        made = run("keys", "create", "ada", "--tenant", tenant)
    assert run("keys", "revoke", made.stdout.split("_")[1]).exit_code == 0
    return run


def test_it_is_listed(audited: Run) -> None:
    listed = audited("audit", "list", "--tenant", "evil", "--type", "key_revoked").stdout.splitlines()
    said = ["key_revoked", "local"]
    assert [row.split()[2:5] for row in listed[1:]] == [[*said, "done"], [*said, "begun"]]
    assert "machine_user=" in listed[1]
    shown = audited("audit", "list", "--tenant", "acme", "--json", "--limit", "1").stdout
    assert json.loads(shown)["type"] == "key_created"
    assert audited("audit", "list", "--tenant", "acme", "--since", "2100-01-01", "--json").stdout == ""


def test_what_was_changed_is_found(audited: Run, tmp_path: Path, redis_url: str, redis_prefix: str) -> None:
    noted, file = tmp_path / "heads", tmp_path / "evil.jsonl"
    noted.write_text(audited("audit", "heads").stdout)
    assert [json.loads(text)["seq"] for text in noted.read_text().splitlines()] == [2, 4]
    assert audited("audit", "export", "--tenant", "evil", "--output", str(file)).exit_code == 0
    assert audited("audit", "export", "--tenant", "evil").stdout == file.read_text()
    assert len(file.read_text().splitlines()) == 4
    whole = audited("audit", "verify", "--against", str(noted))
    assert whole.exit_code == 0
    assert "✓ acme: lines 1 to 2" in whole.stdout
    assert audited("audit", "verify", "--file", str(file), "--against", str(noted)).exit_code == 0

    file.write_text(file.read_text().replace('"ada"', '"eve"', 1))
    changed = audited("audit", "verify", "--file", str(file))
    assert changed.exit_code == 1
    assert "line 1 changed" in changed.stdout
    with Redis.from_url(redis_url) as redis:
        redis.xdel(f"{redis_prefix}:{{audit:evil}}:lines", "4-0")
        redis.delete(f"{redis_prefix}:{{audit:acme}}:lines", f"{redis_prefix}:{{audit:acme}}:head")
        redis.delete(f"{redis_prefix}:audit_tenants")
        redis.sadd(f"{redis_prefix}:audit_tenants", "evil")
    found = audited("audit", "verify")
    assert found.exit_code == 1
    assert "line 4 cut off" in found.stdout
    assert "acme" not in found.stdout, "what has gone as a whole is seen by what was noted"
    assert "✗ acme" in audited("audit", "verify", "--against", str(noted)).stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["list"], "name a tenant with --tenant"),
        (["verify", "--file", "nothing"], "nothing is no export of an audit"),
        (["verify", "--against", "nothing"], "nothing has no heads of an audit"),
    ],
)
def test_what_is_refused(run: Run, arguments: list[str], reason: str) -> None:
    refused = run("audit", *arguments)
    assert isinstance(refused.exception, CommandFailed)
    assert reason in str(refused.exception)

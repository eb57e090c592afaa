"""The commands show the key in RAYLOGUE_API_KEY, or in the file of that name, and never print it."""

import asyncio
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from deployments.cli.api import ApiClient
from deployments.cli.commands.limits import limits
from deployments.cli.errors import ServiceRefused
from deployments.cli.options import open_client
from store import Store
from tests.support.access_service import make_key
from tests.support.conversations import World


async def test_a_command_shows_its_key(http: httpx.AsyncClient, store: Store) -> None:
    url, key = str(http.base_url), await make_key(store, roles=frozenset({"admin"}))
    with ApiClient(url) as client, pytest.raises(ServiceRefused, match="credentials_missing"):
        await asyncio.to_thread(client.get_info)
    with ApiClient(url, api_key=key) as client:
        assert (await asyncio.to_thread(client.get_info))["offline"] is True
        made = await asyncio.to_thread(client.create_key, {"user": "bob"})
        assert made["user"] == "bob"
        assert len(await asyncio.to_thread(client.list_keys, "acme")) == 2
        await asyncio.to_thread(client.revoke_key, made["id"])
        assert len(await asyncio.to_thread(client.list_keys, None)) == 1


@pytest.mark.parametrize("place", ["environment", "file"])
def test_where_the_key_is(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if place == "environment":
        monkeypatch.setenv("RAYLOGUE_API_KEY", "rl_key")
    else:
        (tmp_path / "RAYLOGUE_API_KEY").write_text("rl_key\n")
        monkeypatch.setenv("RAYLOGUE_SECRETS_DIR", str(tmp_path))
    with open_client("http://127.0.0.1:1") as client:
        assert client._http.headers["Authorization"] == "Bearer rl_key"
        assert "rl_key" not in repr(client)


@pytest.mark.parametrize("by_url", [False, True])
async def test_limits_are_set_shown_and_cleared(
    by_url: bool, http: httpx.AsyncClient, store: Store, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYLOGUE_API_KEY", await make_key(store, "olga", "ops", roles=frozenset({"operator"})))
    monkeypatch.setenv("RAYLOGUE_REDIS_URL", world._url)
    monkeypatch.setenv("RAYLOGUE_PREFIX", store.keys.prefix)
    where = ["--url", str(http.base_url)] if by_url else []

    async def run(*arguments: str) -> str:
        done = await asyncio.to_thread(CliRunner().invoke, limits, [*arguments, *where])
        assert done.exit_code == 0, done.output
        return done.output

    await run("set", "acme/ada", "requests=20/second", "turns=none", "cost=2.50")
    assert await store.limits.get(["acme/ada"]) == [{"requests": "20/second", "turns": None, "cost": 2_500_000}]
    shown = {line.split()[0]: line.split()[1:] for line in (await run("show", "acme/ada")).splitlines()}
    assert (shown["requests"], shown["cost"], shown["tokens"]) == (["20/second"], ["$2.50", "$0.00"], ["none", "0"])
    await run("clear", "acme/ada")
    assert await store.limits.get(["acme/ada"]) == [{}]
    wrong = await asyncio.to_thread(CliRunner().invoke, limits, ["set", "acme", "turns=many", *where])
    assert "turns is a whole number" in str(wrong.exception)

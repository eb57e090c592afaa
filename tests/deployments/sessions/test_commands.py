"""`raylogue list`, `rename`, `archive` and `reindex`, on the API and on a store of their own."""

import asyncio
import json
from collections.abc import Sequence

import httpx
import pytest
from typer.testing import CliRunner, Result

from deployments.cli.main import application
from store import Store
from tests.support.access_service import make_key
from tests.support.writer import NOW


@pytest.fixture(autouse=True)
async def some(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, title in enumerate(("Beta", "alpha", None)):
        await store.registry.create(
            f"c{number}", agent="assistant", principal="acme/ada", channel="web", title=title, now=NOW + number
        )
    monkeypatch.setenv("RAYLOGUE_API_KEY", await make_key(store, "ada"))
    monkeypatch.setenv("COLUMNS", "200")


async def run(http: httpx.AsyncClient, *arguments: str) -> Result:
    """A command against the application of this test."""
    url = ["--url", str(http.base_url)]
    return await asyncio.to_thread(CliRunner().invoke, application, [*arguments, *url])


def ids(printed: str) -> Sequence[str]:
    return [json.loads(line)["id"] for line in printed.splitlines()]


async def test_the_list_with_filters_and_orders(http: httpx.AsyncClient, store: Store) -> None:
    shown = (await run(http, "list")).stdout.splitlines()
    assert [line.split()[0] for line in shown] == ["Conversation", "c2", "c1", "c0"]
    assert "Beta" in shown[3]
    assert ids((await run(http, "list", "--json", "--sort", "title", "--limit", "2")).stdout) == ["c1", "c0"]
    assert ids((await run(http, "list", "ALPHA", "--json")).stdout) == ["c1"]
    assert ids((await run(http, "list", "--json", "--channel", "cli")).stdout) == []
    assert ids((await run(http, "list", "--json", "--until", "2000-01-31")).stdout) == []
    assert ids((await run(http, "list", "--json", "--since", "2000-01-31T12:00+02:00", "--limit", "1")).stdout) == [
        "c2"
    ]
    assert "no such conversations" in (await run(http, "list", "nothing")).stderr
    for wrong in (("--since", "soon"), ("--whose", "tenant")):
        assert (await run(http, "list", *wrong)).exception is not None


async def test_a_conversation_is_renamed_archived_and_restored(http: httpx.AsyncClient, store: Store) -> None:
    assert (await run(http, "rename", "c2", "New title")).stdout == "It is called New title\n"
    assert (await run(http, "archive", "c2")).stdout == "It is archived\n"
    assert ids((await run(http, "list", "--json")).stdout) == ["c1", "c0"]
    assert "New title" in (await run(http, "list", "--archived", "true")).stdout
    assert (await run(http, "archive", "c2", "--restore")).stdout == "It is in the lists again\n"
    assert ids((await run(http, "list", "--json")).stdout) == ["c2", "c1", "c0"]


async def test_the_indexes_are_made_again(
    http: httpx.AsyncClient, store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYLOGUE_REDIS_URL", redis_url)
    monkeypatch.setenv("RAYLOGUE_PREFIX", store.keys.prefix)
    orders = store.keys.list("owner:acme/ada")
    await store._client.redis.delete(orders.updated, orders.created, orders.titles)
    assert (await run(http, "list")).stdout == ""
    done = await asyncio.to_thread(CliRunner().invoke, application, ["reindex"])
    asked = ["audit", "list", "--tenant", "-", "--type", "reindexed", "--json"]
    listed = await asyncio.to_thread(CliRunner().invoke, application, asked)
    told = [json.loads(line) for line in reversed(listed.stdout.splitlines())]
    assert [(line["principal"], line["outcome"]) for line in told] == [("local", "begun"), ("local", "done")]
    assert told[0]["data"]["machine_user"]
    assert (done.exit_code, done.stdout) == (0, "0 turns are unfinished, 1 API keys are listed\n")
    assert ids((await run(http, "list", "--json", "--sort", "created")).stdout) == ["c2", "c1", "c0"]

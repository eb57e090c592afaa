"""A backup is taken and restored, by the commands and by the document's steps; the conversations are all there."""

import getpass
import json
import re
import subprocess
from pathlib import Path

import httpx
import pytest
import redis

from store import connect
from store.embedded import EmbeddedServer
from store.registries.lists import of_principal
from tests.cli.conftest import Terminal, Up
from tests.house.tree import ROOT
from tests.servers.process import RedisServer, available_binaries, free_port
from tests.support.writer import Writer, texts

CONVERSATIONS = [f"c{number}" for number in range(20)]


async def fill(data_dir: Path) -> None:
    """Twenty conversations in an embedded server."""
    with EmbeddedServer(data_dir / "valkey") as server:
        await write_all(server.url)


async def write_all(url: str) -> None:
    store = connect(url)
    for name in CONVERSATIONS:
        writer = await Writer.new(store, name)
        await writer.append(b"one", name.encode())
    await store.aclose()


async def assert_all_there(url: str) -> None:
    store = connect(url)
    metas, _ = await store.registry.list(of_principal("ada"), limit=100)
    assert sorted(meta.id for meta in metas) == sorted(CONVERSATIONS)
    for name in CONVERSATIONS:
        assert await texts(store, name) == ["one", name]
    await store.aclose()


async def test_a_backup_is_restored_elsewhere(terminal: Terminal, tmp_path: Path) -> None:
    await fill(terminal.data_dir)
    archive, other = tmp_path / "archive", tmp_path / "other"
    archive.mkdir()
    (archive / "segment").write_text("old events")
    kept = {"RAYLOGUE_ARCHIVE_URL": str(archive)}
    saved = terminal.run("backup", str(tmp_path / "saved"), **kept)
    assert saved.returncode == 0, saved.stderr
    assert not (terminal.data_dir / "valkey" / "dump.rdb").exists()

    second = Terminal(other)
    restored = second.run("restore", str(tmp_path / "saved"), RAYLOGUE_ARCHIVE_URL=str(tmp_path / "archive2"))
    assert restored.returncode == 0, restored.stderr
    assert (tmp_path / "archive2" / "segment").read_text() == "old events"
    for _ in range(2):  # what was restored is kept
        with EmbeddedServer(other / "valkey") as server:
            await assert_all_there(server.url)
    assert told(terminal) == [("backed_up", "begun", "saved"), ("backed_up", "done", "saved")]
    assert told(second) == [
        ("backed_up", "begun", "saved"),  # the line before the backup is in it
        ("restored", "begun", "saved"),
        ("restored", "done", "saved"),
    ]
    assert second.run("audit", "verify").returncode == 0


def told(terminal: Terminal) -> list[tuple[str, str, str]]:
    """What the audit says of the operator of this machine, oldest first: what was done, and with which directory."""
    lines = [json.loads(line) for line in terminal.run("audit", "list", "--tenant", "-", "--json").stdout.splitlines()]
    assert {(line["principal"], line["data"]["machine_user"]) for line in lines} == {("local", getpass.getuser())}
    return [(line["type"], line["outcome"], Path(line["data"]["directory"]).name) for line in reversed(lines)]


async def test_a_service_that_runs_is_backed_up(up: Up, tmp_path: Path) -> None:
    async with httpx.AsyncClient(base_url=up.record.url) as http:
        created: str = (await http.post("/v1/conversations", json={"title": "kept"})).json()["id"]
    saved = up.terminal.run("backup", str(tmp_path / "saved"))
    assert saved.returncode == 0, saved.stderr
    other = Terminal(tmp_path / "other")
    assert other.run("restore", str(tmp_path / "saved")).returncode == 0
    with EmbeddedServer(other.data_dir / "valkey") as server:
        store = connect(server.url)
        assert (await store.registry.get(created)).title == "kept"
        await store.aclose()


async def test_what_keeps_a_backup_from_being_taken_or_restored(terminal: Terminal, tmp_path: Path) -> None:
    nothing = terminal.run("backup", str(tmp_path / "saved"))
    assert (nothing.returncode, nothing.stderr.count("\n")) == (1, 1)
    assert "there is no data" in nothing.stderr
    await fill(terminal.data_dir)
    assert terminal.run("backup", str(tmp_path / "saved")).returncode == 0
    for arguments, reason in [
        (("backup", str(tmp_path / "saved")), "is not empty"),
        (("restore", str(tmp_path / "saved")), "has data already"),
        (("restore", str(tmp_path)), "is no backup"),
    ]:
        refused = terminal.run(*arguments)
        assert refused.returncode == 1
        assert reason in refused.stderr
    own = terminal.run("backup", str(tmp_path / "more"), RAYLOGUE_REDIS_URL="redis://127.0.0.1:1")
    assert "your own Redis" in own.stderr


@pytest.mark.parametrize("kind", sorted(available_binaries()))
async def test_the_documents_steps_for_a_server_of_ones_own(kind: str, tmp_path: Path) -> None:
    """The commands are read from the document."""
    server = available_binaries()[kind]
    source = RedisServer(server, tmp_path / "source")
    source.start()
    try:
        await write_all(source.url)
        with redis.Redis.from_url(source.url) as client:
            client.save()
            [folder] = client.config_get("dir").values()
            [name] = client.config_get("dbfilename").values()
        (tmp_path / "dump.rdb").write_bytes((Path(folder) / name).read_bytes())
    finally:
        source.stop()
    section = (ROOT / "docs" / "operations.md").read_text().partition("## Backup and restore")[2]
    copy, start, switch, wait, stop = re.findall(r"^      (\S.*)$", section, re.MULTILINE)[:5]
    port = free_port()
    assert [switch, wait, stop] == [line for line in (switch, wait, stop) if line.startswith("redis-cli -p 6399 ")]
    command = start.replace("redis-server", str(server)).replace("6399", str(port)).replace("--daemonize yes", "")
    subprocess.run(copy, shell=True, cwd=tmp_path, check=True)
    for appendonly in ("as the document says", "from then on"):
        words = command if appendonly == "as the document says" else command.replace("appendonly no", "appendonly yes")
        with subprocess.Popen(f"exec {words}", shell=True, cwd=tmp_path, stdout=subprocess.DEVNULL) as running:
            try:
                with redis.Redis(port=port, retry=redis.retry.Retry(redis.backoff.ConstantBackoff(0.1), 100)) as asked:
                    asked.ping()
                    if appendonly == "as the document says":
                        asked.execute_command(*switch.removeprefix("redis-cli -p 6399 ").split())
                        while asked.info("persistence")["aof_rewrite_in_progress"]:
                            pass
                await assert_all_there(f"redis://127.0.0.1:{port}/0")
            finally:
                running.terminate()

"""The embedded server: it starts, keeps its data, and says clearly why it cannot start."""

import os
import signal
import stat
from pathlib import Path

import psutil
import pytest
from redis.asyncio import Redis

from store import connect
from store.embedded import EmbeddedServer, EmbeddedServerError
from tests.support.writer import Writer, texts


async def test_data_is_there_after_a_restart(data_dir: Path) -> None:
    with EmbeddedServer(data_dir) as server:
        assert server.running
        store = connect(server.url)
        writer = await Writer.new(store, "c")
        await writer.append(b"one", b"two")
        await store.aclose()
    assert not server.running

    with EmbeddedServer(data_dir) as server:
        store = connect(server.url)
        assert await texts(store, "c") == ["one", "two"]
        await store.aclose()


async def test_data_is_there_after_a_kill(data_dir: Path) -> None:
    server = EmbeddedServer(data_dir)
    server.start()
    store = connect(server.url)
    writer = await Writer.new(store, "c")
    await writer.append(b"one")
    await store.aclose()
    async with Redis.from_url(server.url) as client:  # wait until the file is on the disk
        await client.execute_command("WAITAOF", 1, 0, 5000)
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    server.stop()

    with EmbeddedServer(data_dir) as server:
        store = connect(server.url)
        assert await texts(store, "c") == ["one"]
        await store.aclose()


def test_it_is_open_to_this_user_alone(data_dir: Path) -> None:
    with EmbeddedServer(data_dir) as server:
        assert server.pid is not None
        assert psutil.Process(server.pid).net_connections("inet") == []
        [listening] = {found.laddr for found in psutil.Process(server.pid).net_connections("unix") if found.laddr}
        socket_file = Path(str(listening))
        assert server.url == f"unix://{socket_file}"
        assert stat.S_IMODE(socket_file.stat().st_mode) == 0o600
        assert stat.S_IMODE(data_dir.stat().st_mode) == stat.S_IMODE(socket_file.parent.stat().st_mode) == 0o700


async def test_a_long_or_odd_path(tmp_path: Path) -> None:
    for name in ("deep/" * 30, "ä b%20c?#"):
        with EmbeddedServer(tmp_path / name) as server:
            store = connect(server.url)
            await store.ping()
            await store.aclose()
        if name.startswith("deep"):
            assert not Path(server.url.removeprefix("unix://")).parent.exists()


def test_a_second_server_is_kept_off_the_data(data_dir: Path) -> None:
    with EmbeddedServer(data_dir) as first:
        with pytest.raises(EmbeddedServerError, match=rf"process {first.pid}\) is using .*stop it"):
            EmbeddedServer(data_dir).start()
        assert first.running


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    obstacle = tmp_path / "file"
    obstacle.write_text("not a directory")

    with pytest.raises(EmbeddedServerError, match=r"file/data is not writable"):
        EmbeddedServer(obstacle / "data").start()


def test_damaged_data_is_reported_with_the_servers_words(data_dir: Path) -> None:
    with EmbeddedServer(data_dir):
        pass
    manifest = next(data_dir.glob("**/*.manifest"))
    manifest.write_text("nonsense")

    server = EmbeddedServer(data_dir)
    with pytest.raises(EmbeddedServerError, match=r"ended at once: .*manifest"):
        server.start()
    assert not server.running


def test_stopping_twice_is_harmless(data_dir: Path) -> None:
    server = EmbeddedServer(data_dir)
    server.stop()
    server.start()
    server.stop()
    server.stop()

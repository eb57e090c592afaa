"""The embedded server: it starts, keeps its data, and says clearly why it cannot start."""

import os
import signal
import socket
from pathlib import Path

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


def test_it_listens_on_the_loopback_interface_at_the_port_asked_for(data_dir: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    with EmbeddedServer(data_dir, port=port) as server:
        assert server.url == f"redis://127.0.0.1:{port}/0"
        assert server.port == port
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.2", port), timeout=1)


def test_a_second_server_is_kept_off_the_data(data_dir: Path) -> None:
    with EmbeddedServer(data_dir) as first:
        with pytest.raises(EmbeddedServerError, match=rf"process {first.pid}\) is using .*stop it"):
            EmbeddedServer(data_dir).start()
        assert first.running


def test_a_taken_port_is_named(data_dir: Path, tmp_path: Path) -> None:
    with (
        EmbeddedServer(data_dir) as first,
        pytest.raises(EmbeddedServerError, match=f"{first.port} is taken"),
    ):
        EmbeddedServer(tmp_path / "other", port=first.port).start()


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

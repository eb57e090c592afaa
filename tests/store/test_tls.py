"""A server that speaks TLS: everything works under `rediss://`, and an untrusted certificate is refused."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from store import StoreUnavailable, connect
from tests.servers.process import RedisServer, available_binaries, free_port
from tests.support.writer import Writer, texts

# Of the servers at hand only Debian's was built with TLS.
pytestmark = pytest.mark.skipif(
    "redis-7.0" not in available_binaries() or shutil.which("openssl") is None,
    reason="needs Debian's redis-server and openssl",
)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A key and a certificate for 127.0.0.1, signed by themselves."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    subprocess.run(
        [*command.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    return key, certificate


@pytest.fixture
def tls_port(own_server: Callable[..., RedisServer], certificate: tuple[Path, Path]) -> int:
    key, signed = certificate
    port = free_port()
    files = ("--tls-key-file", str(key), "--tls-cert-file", str(signed), "--tls-ca-cert-file", str(signed))
    own_server("redis-7.0", options=("--tls-port", str(port), "--tls-auth-clients", "no", *files))
    return port


async def test_everything_works_over_tls(tls_port: int, certificate: tuple[Path, Path]) -> None:
    store = connect(f"rediss://127.0.0.1:{tls_port}/0?ssl_ca_certs={certificate[1]}")
    writer = await Writer.new(store, "c")
    async with store.subscriptions.subscribe("c") as subscription:
        await writer.append(b"one", notice=b'{"n":1}')

        assert await subscription.get() == {"n": 1}
    assert await texts(store, "c") == ["one"]
    await store.aclose()


async def test_an_untrusted_certificate_is_refused(tls_port: int) -> None:
    store = connect(f"rediss://127.0.0.1:{tls_port}/0", patience=0.2)
    with pytest.raises(StoreUnavailable):
        await store.ping()
    await store.aclose()

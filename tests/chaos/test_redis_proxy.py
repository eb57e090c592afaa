"""An isolated process has no connection to Redis until it is readmitted; other processes keep theirs."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import redis

from tests.chaos.redis_proxy import RedisProxy
from tests.servers.process import RedisServer

PINGS = """
import sys, redis
server = redis.Redis.from_url(sys.argv[1])
for _ in sys.stdin:
    try:
        print(server.ping(), flush=True)
    except redis.ConnectionError:
        print("away", flush=True)
"""


class Pinger:
    """Another process with a connection of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def ping(self) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@contextmanager
def pinging(url: str) -> Iterator[Pinger]:
    command = [sys.executable, "-c", PINGS, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Pinger(process)


def test_only_the_isolated_process_has_no_connection(own_server: Callable[..., RedisServer]) -> None:
    with RedisProxy(own_server().port) as proxy, pinging(proxy.url) as other, redis.Redis.from_url(proxy.url) as own:
        assert own.ping()
        assert other.ping() == "True"
        proxy.isolate(psutil.Process(other.process.pid))
        assert other.ping() == "away"
        assert other.ping() == "away", "new connections are refused too"
        assert own.ping()
        proxy.readmit(psutil.Process(other.process.pid))
        assert other.ping() == "True"


def test_some_connections_break(own_server: Callable[..., RedisServer]) -> None:
    with RedisProxy(own_server().port) as proxy:
        clients = [redis.Redis.from_url(proxy.url, retry=None, single_connection_client=True) for _ in range(12)]
        for client in clients:
            client.ping()
        proxy.close_some_connections(0.3)
        broken = sum(_breaks(client) for client in clients)
        assert 0 < broken < len(clients)
        for client in clients:
            assert client.ping(), "new connections are accepted"
            client.close()


def _breaks(client: "redis.Redis") -> bool:
    try:
        client.ping()
    except redis.ConnectionError:
        return True
    return False

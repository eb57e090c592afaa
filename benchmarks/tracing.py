"""`python -m benchmarks.tracing`: processor time that traces cost a turn, in a process without Ray.

The same conversations say the same things at the same pace, and each turn calls a tool: without traces, with a sampler
that leaves them all out, and with traces that are sent by OTLP to a server which throws them away.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import threading
import time
import timeit
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import uvloop
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider, sampling
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from agents.agent import Agent, Catalog
from agents.context import AgentContext
from agents.local import LocalConversations
from agents.models import Call, ScriptedModel, Step
from agents.tools import tool
from agents.tracing import NoTracer, Tracer
from agents.turn.inputs import UserMessage
from deployments.process.span_export import SdkTracer
from store import connect
from store.embedded import EmbeddedServer

CONVERSATIONS = 32
SUBJECTS = ("off", "left out", "recorded")
TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-0"


@tool
async def look() -> str:
    """Look around."""
    return "nothing"


class Sink(BaseHTTPRequestHandler):
    """Takes what it is sent, and keeps nothing."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def sink() -> Iterator[str]:
    """The URL of a server in a process of its own: its time is not that of the turns."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
        os.write(writing, str(server.server_address[1]).encode())
        server.serve_forever()
    try:
        yield f"http://127.0.0.1:{os.read(reading, 10).decode()}/v1/traces"
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def make_tracer(subject: str, url: str) -> Tracer:
    """The tracer of a subject."""
    if subject == "off":
        return NoTracer()
    sampler = sampling.ParentBased(sampling.ALWAYS_ON if subject == "recorded" else sampling.ALWAYS_OFF)
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))
    return SdkTracer(provider, has_content=False)


async def measure(redis: str, url: str, turns: int, per_second: float) -> dict[str, float]:
    """Milliseconds of a turn by subject; medians of five rounds."""
    tracers = {subject: make_tracer(subject, url) for subject in SUBJECTS}
    found: dict[str, list[float]] = {subject: [] for subject in SUBJECTS}
    for number in range(5):
        for subject, tracer in tracers.items():
            pace = (turns, per_second)
            found[subject].append(await _round(redis, f"traces-{number}-{subject[0]}", subject, tracer, pace))
    return {subject: statistics.median(rounds) for subject, rounds in found.items()}


async def _round(redis: str, prefix: str, subject: str, tracer: Tracer, pace: tuple[int, float]) -> float:
    turns, per_second = pace
    store = connect(redis, prefix=prefix)
    steps = [Step(calls=[Call("look")]), Step("Hello.")] * turns
    agent = Agent(name="a", model=ScriptedModel(steps), tools=(look,))
    conversations = LocalConversations(store, Catalog([agent]), tracer=tracer)
    names = [f"c{i}" for i in range(CONVERSATIONS)]
    for name in names:
        await conversations.open(name, principal="ada")
    flag = "1" if subject == "recorded" else "0"
    context = AgentContext(principal="ada", trace_id="a" * 32, traceparent=TRACEPARENT + flag)
    own, begun, running = time.process_time(), time.perf_counter(), []
    for turn in range(turns):
        message = UserMessage(content=[{"type": "text", "text": "hello"}], principal="ada", on_busy="queue")
        running.append(asyncio.create_task(conversations.send(names[turn % CONVERSATIONS], message, context)))
        await asyncio.sleep(max(0.0, begun + (turn + 1) / per_second - time.perf_counter()))
    await asyncio.gather(*running)
    for conversation in tuple(conversations.live.values()):
        await conversation.rest()
    if isinstance(tracer, SdkTracer):
        await asyncio.to_thread(tracer.flush)
    spent = time.process_time() - own
    await conversations.aclose()
    await store.aclose()
    return spent * 1000 / turns


def main() -> None:
    """Print what a turn takes without and with traces, and what asking the tracer takes that is off."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tracing", description=__doc__)
    parser.add_argument("--turns", type=int, default=400, help="of a round")
    parser.add_argument("--per-second", type=float, default=100.0, help="how many turns begin in a second")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, EmbeddedServer(Path(directory)) as server, sink() as url:
        found = uvloop.run(measure(server.url, url, options.turns, options.per_second))
    for subject, spent in found.items():
        print(f"{subject:<10} {spent:.3f} ms a turn, {spent - found['off']:+.3f} ms")
    off = NoTracer()
    seconds = min(timeit.repeat(lambda: off.is_on, number=100_000)) / 100_000
    print(f"asking a tracer that is off takes {seconds * 1e9:.0f} ns; threads: {threading.active_count()}")


if __name__ == "__main__":
    main()

"""The HTTP API as the commands use it: one method per route, every failure a CommandFailed of one line."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx

from deployments.cli.errors import CommandFailed, ConnectionBroke
from deployments.cli.sse import Event, read_events
from deployments.settings import is_loopback

Answer = dict[str, Any]
EVENT_STREAM = {"Accept": "text/event-stream"}
PROBLEM = "application/problem+json"
SERVICE_UNAVAILABLE = 503
PAUSE_SECONDS = 1.0
# A stream may be silent between heartbeats; how often those come is the service's choice.
ORDINARY_TIMEOUT = 10.0
SLOW_TIMEOUT = 60.0
STREAM_TIMEOUT = httpx.Timeout(10.0, read=None)


class ServiceRefused(CommandFailed):
    """The service answered with a problem; `code` is the last word of its type.

    `retry_after` says in how many seconds it is worth a repetition, if it ever is.
    """

    def __init__(self, code: str, detail: str, retry_after: float | None = None) -> None:
        super().__init__(code, detail, retry_after)
        self.code = code
        self.detail = detail
        self.retry_after = retry_after

    @property
    def passing(self) -> bool:
        return self.retry_after is not None

    def __str__(self) -> str:
        return f"{self.detail} ({self.code})"


class Service:
    """One connection to a running service."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        # A proxy of the environment's does not lead to this machine.
        trusted = not is_loopback(urlsplit(self.url).hostname or "")
        self._http = httpx.Client(base_url=self.url, timeout=ORDINARY_TIMEOUT, trust_env=trusted)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def ready(self) -> None:
        self._ask("GET", "/readyz")

    def info(self) -> Answer:
        return self._ask("GET", "/v1/info")

    def create(self, agent: str | None = None, title: str | None = None) -> Answer:
        body = {"agent": agent, "title": title}
        return self._ask("POST", "/v1/conversations", {k: v for k, v in body.items() if v is not None})

    def conversation(self, conversation_id: str) -> Answer:
        return self._ask("GET", _path(conversation_id))

    def page(self, conversation_id: str, *, before: int, limit: int) -> list[Event]:
        """The last `limit` events of the log in front of seq `before`, oldest first."""
        answer = self._ask("GET", f"{_path(conversation_id)}/events?before={before}&limit={limit}")
        events: list[Event] = answer["events"]
        return events

    def cancel(self, conversation_id: str) -> Answer:
        return self._ask("POST", f"{_path(conversation_id)}/cancel")

    def stuck(self) -> list[Answer]:
        """The turns without progress, longest first."""
        found: list[Answer] = self._ask("GET", "/v1/stuck")["stuck"]
        return found

    def abort(self, conversation_id: str) -> Answer:
        """The turn that ended, and which actor was killed for it; asking one that hangs takes some seconds."""
        return self._ask("POST", f"{_path(conversation_id)}/abort", timeout=SLOW_TIMEOUT)

    def resolve(self, conversation_id: str, resolution: Answer) -> Answer:
        return self._ask("POST", f"{_path(conversation_id)}/resolutions", resolution)

    def files(self, conversation_id: str) -> list[Answer]:
        found: list[Answer] = self._ask("GET", f"{_path(conversation_id)}/files")["files"]
        return found

    def file(self, conversation_id: str, path: str) -> bytes:
        """The bytes of one file."""
        with self._failures():
            response = self._http.get(f"{_path(conversation_id)}/files/{quote(path)}")
            _refuse(response)
            return response.content

    def turn(self, conversation_id: str, message: Answer) -> Iterator[Event]:
        """Send a message, and yield the events of its turn until it ends or waits for people."""
        return self._stream("POST", f"{_path(conversation_id)}/messages", message)

    def follow(self, conversation_id: str, after: int) -> Iterator[Event]:
        """A snapshot, then every event behind seq `after`, for ever."""
        return self._stream("GET", f"{_path(conversation_id)}/events", headers={"Last-Event-ID": str(after)})

    def _ask(self, method: str, path: str, body: Answer | None = None, timeout: float | None = None) -> Answer:
        with self._failures():
            response = self._http.request(method, path, json=body, timeout=timeout or ORDINARY_TIMEOUT)
            _refuse(response)
            answer: Answer = response.json()
            return answer

    def _stream(
        self, method: str, path: str, body: Answer | None = None, headers: dict[str, str] | None = None
    ) -> Iterator[Event]:
        request = self._http.build_request(
            method, path, json=body, headers={**EVENT_STREAM, **(headers or {})}, timeout=STREAM_TIMEOUT
        )
        with self._failures(), closing(self._http.send(request, stream=True)) as response:
            if response.is_error:
                response.read()
            _refuse(response)
            yield from read_events(response.iter_lines())

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except httpx.ConnectError as error:
            raise CommandFailed(
                f"nothing answers at {self.url}: start it with `raylogue up`, or name it with --url"
            ) from error
        except httpx.HTTPError as error:
            raise ConnectionBroke(
                f"the connection to {self.url} broke: {str(error) or type(error).__name__}"
            ) from error
        except ValueError as error:
            raise CommandFailed(f"{self.url} does not answer like Raylogue: is it the right address?") from error


def _refuse(response: httpx.Response) -> None:
    """Raises ServiceRefused for a problem, which is what the service answers when it cannot do something."""
    if response.is_success:
        return
    retry_after = _seconds(response.headers.get("Retry-After"))
    if response.status_code == SERVICE_UNAVAILABLE and response.headers.get("Content-Type") != PROBLEM:
        # What stands in front of the service says so in its own words.
        raise ServiceRefused("unavailable", "The service takes no requests now", retry_after or PAUSE_SECONDS)
    problem = response.json()
    code = str(problem["type"]).rpartition(":")[2]
    raise ServiceRefused(code, problem.get("detail") or problem["title"], retry_after)


def _seconds(header: str | None) -> float | None:
    return float(header) if header and header.isdecimal() else None


def _path(conversation_id: str) -> str:
    return f"/v1/conversations/{quote(conversation_id, safe='')}"

"""The HTTP API as the commands use it: one method per route, every failure a CommandFailed of one line."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx
from httpx_sse import EventSource, SSEError

from deployments.cli.errors import CommandFailed, ConnectionBroke, ServiceRefused
from deployments.settings import is_loopback

JsonObject = dict[str, Any]
ApiEvent = dict[str, Any]
"""An event of a conversation as it is on the wire: always with a `type`."""

ACCEPT_EVENTS = {"Accept": "text/event-stream"}
PROBLEM = "application/problem+json"
SERVICE_UNAVAILABLE = 503
PAUSE_SECONDS = 1.0
"""Before another attempt, where the service names no time itself."""
TIMEOUT_SECONDS = 10.0
SLOW_TIMEOUT_SECONDS = 60.0
# A stream may be silent between heartbeats; how often they come is set at the service.
STREAM_TIMEOUT = httpx.Timeout(10.0, read=None)


class ApiClient:
    """One connection to a running service."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        # A proxy that the environment names does not lead to this machine.
        use_proxy = not is_loopback(urlsplit(self.url).hostname or "")
        self._http = httpx.Client(base_url=self.url, timeout=TIMEOUT_SECONDS, trust_env=use_proxy)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def require_ready(self) -> None:
        self._request("GET", "/readyz")

    def get_info(self) -> JsonObject:
        return self._request("GET", "/v1/info")

    def create_conversation(self, agent: str | None = None) -> JsonObject:
        return self._request("POST", "/v1/conversations", {} if agent is None else {"agent": agent})

    def get_conversation(self, conversation_id: str) -> JsonObject:
        return self._request("GET", _conversation_path(conversation_id))

    def get_events(self, conversation_id: str, *, before: int, limit: int) -> list[ApiEvent]:
        """The last `limit` events of the log in front of seq `before`, oldest first."""
        page = self._request("GET", f"{_conversation_path(conversation_id)}/events?before={before}&limit={limit}")
        events: list[ApiEvent] = page["events"]
        return events

    def cancel(self, conversation_id: str, turn: int | None = None) -> JsonObject:
        """End that turn; None: the one that runs or waits."""
        body = None if turn is None else {"turn": turn}
        return self._request("POST", f"{_conversation_path(conversation_id)}/cancel", body)

    def list_stuck_turns(self) -> list[JsonObject]:
        """The turns without progress, longest first."""
        turns: list[JsonObject] = self._request("GET", "/v1/stuck")["stuck"]
        return turns

    def abort(self, conversation_id: str) -> JsonObject:
        """The turn that ended, and which actor was killed for it; asking one that hangs takes some seconds."""
        return self._request("POST", f"{_conversation_path(conversation_id)}/abort", timeout=SLOW_TIMEOUT_SECONDS)

    def resolve(self, conversation_id: str, resolution: JsonObject) -> JsonObject:
        return self._request("POST", f"{_conversation_path(conversation_id)}/resolutions", resolution)

    def list_files(self, conversation_id: str) -> list[JsonObject]:
        files: list[JsonObject] = self._request("GET", f"{_conversation_path(conversation_id)}/files")["files"]
        return files

    def read_file(self, conversation_id: str, path: str) -> bytes:
        """The bytes of one file."""
        with self._failures_in_one_line():
            response = self._http.get(f"{_conversation_path(conversation_id)}/files/{quote(path)}")
            _raise_for_problem(response)
            return response.content

    def send(self, conversation_id: str, message: JsonObject) -> Iterator[ApiEvent]:
        """Send a message, and yield the events of its turn until it ends or waits for people."""
        return self._stream("POST", f"{_conversation_path(conversation_id)}/messages", message)

    def watch(self, conversation_id: str, after: int) -> Iterator[ApiEvent]:
        """A snapshot, then every event behind seq `after`, for ever."""
        headers = {"Last-Event-ID": str(after)}
        return self._stream("GET", f"{_conversation_path(conversation_id)}/events", headers=headers)

    def _request(
        self, method: str, path: str, body: JsonObject | None = None, timeout: float = TIMEOUT_SECONDS
    ) -> JsonObject:
        with self._failures_in_one_line():
            response = self._http.request(method, path, json=body, timeout=timeout)
            _raise_for_problem(response)
            answer: JsonObject = response.json()
            return answer

    def _stream(
        self, method: str, path: str, body: JsonObject | None = None, headers: dict[str, str] | None = None
    ) -> Iterator[ApiEvent]:
        request = self._http.build_request(
            method, path, json=body, headers={**ACCEPT_EVENTS, **(headers or {})}, timeout=STREAM_TIMEOUT
        )
        with self._failures_in_one_line(), closing(self._http.send(request, stream=True)) as response:
            if response.is_error:
                response.read()
            _raise_for_problem(response)
            yield from read_events(response)

    @contextmanager
    def _failures_in_one_line(self) -> Iterator[None]:
        try:
            yield
        except httpx.ConnectError as error:
            raise CommandFailed(
                f"nothing answers at {self.url}: start it with `raylogue up`, or name it with --url"
            ) from error
        except (ValueError, SSEError) as error:
            raise CommandFailed(f"{self.url} does not answer like Raylogue: is it the right address?") from error
        except httpx.HTTPError as error:
            raise ConnectionBroke(
                f"the connection to {self.url} broke: {str(error) or type(error).__name__}"
            ) from error


def read_events(response: httpx.Response) -> Iterator[ApiEvent]:
    """The events of a stream; the data of each says all that its other fields do."""
    for frame in EventSource(response).iter_sse():
        if frame.data:  # without any it is a heartbeat
            event: ApiEvent = json.loads(frame.data)
            yield event


def _raise_for_problem(response: httpx.Response) -> None:
    """Raises ServiceRefused for a problem, which is what the service answers when it cannot do something."""
    if response.is_success:
        return
    retry_after = _seconds(response.headers.get("Retry-After"))
    if response.status_code == SERVICE_UNAVAILABLE and response.headers.get("Content-Type") != PROBLEM:
        # The proxy in front of the service answers in its own words.
        raise ServiceRefused("unavailable", "The service takes no requests now", retry_after or PAUSE_SECONDS)
    problem = response.json()
    code = str(problem["type"]).rpartition(":")[2]
    raise ServiceRefused(code, problem.get("detail") or problem["title"], retry_after)


def _seconds(header: str | None) -> float | None:
    return float(header) if header and header.isdecimal() else None


def _conversation_path(conversation_id: str) -> str:
    return f"/v1/conversations/{quote(conversation_id, safe='')}"

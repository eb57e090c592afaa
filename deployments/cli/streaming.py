"""Sends a message and follows a conversation across broken connections, from what was shown last."""

import time
from collections.abc import Callable, Iterator

from deployments.cli.api import PAUSE_SECONDS, ApiClient, ApiEvent, JsonObject
from deployments.cli.errors import CommandFailed, ConnectionBroke, ServiceRefused
from deployments.cli.transcript import Transcript

PATIENCE_SECONDS = 60.0
RECONNECT = "reconnect"
"""The last event of a stream whose replica stops: another replica is there already."""


def send_until_accepted(client: ApiClient, conversation_id: str, message: JsonObject) -> Iterator[ApiEvent]:
    """Send a message until it is accepted, and yield the events of its turn.

    It is sent again while the service is too busy, and when the answer was lost: its `client_id` makes it one message.
    A turn may break off in the middle: then `follow` has the rest of it.
    Raises ServiceRefused when the service stays too busy, and at once for a refusal that does not pass; CommandFailed.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    has_begun = False
    while not has_begun:
        try:
            for event in client.send(conversation_id, message):
                has_begun = True
                yield event
        except ServiceRefused as refusal:
            if refusal.retry_after is None or time.monotonic() + refusal.retry_after > deadline:
                raise
            time.sleep(refusal.retry_after)
        except ConnectionBroke:
            if not has_begun and time.monotonic() > deadline:
                raise
            time.sleep(PAUSE_SECONDS)
        else:
            return


def follow(client: ApiClient, conversation_id: str, transcript: Transcript) -> Iterator[ApiEvent]:
    """Every event behind the transcript's last, without end; a service that is away is waited for.

    Raises CommandFailed when it stays away, and ServiceRefused at once when it answers with a refusal.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            for event in client.watch(conversation_id, transcript.last_seq):
                if event["type"] == RECONNECT:
                    break
                yield event
                deadline = time.monotonic() + PATIENCE_SECONDS
            else:
                time.sleep(PAUSE_SECONDS)
            continue
        except ServiceRefused as refusal:
            if not refusal.is_transient or time.monotonic() > deadline:
                raise
        except CommandFailed:
            if time.monotonic() > deadline:
                raise
        time.sleep(PAUSE_SECONDS)


def show_until_rest(
    events: Iterator[ApiEvent], transcript: Transcript, goes_on: Callable[[], bool] = lambda: False
) -> None:
    """Show events until the turn has ended or waits, or the stream is over; `goes_on` may say that it waits for us."""
    for event in events:
        if event["type"] == RECONNECT:
            return
        transcript.show(event)
        if transcript.is_at_rest and not goes_on():
            return

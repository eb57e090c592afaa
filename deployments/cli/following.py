"""Follows a conversation across broken connections, from where it was shown last."""

import time
from collections.abc import Iterator

from deployments.cli.api import Service, ServiceRefused
from deployments.cli.errors import CommandFailed
from deployments.cli.sse import Event
from deployments.cli.transcript import Transcript

PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 1.0


def follow(service: Service, conversation_id: str, transcript: Transcript) -> Iterator[Event]:
    """Every event behind the transcript's last, without end; a lost service is waited for.

    Raises CommandFailed when it stays away, and ServiceRefused at once when it answers with a refusal.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            for event in service.follow(conversation_id, transcript.last_seq):
                yield event
                deadline = time.monotonic() + PATIENCE_SECONDS
        except ServiceRefused as refusal:
            if not refusal.passing or time.monotonic() > deadline:
                raise
        except CommandFailed:
            if time.monotonic() > deadline:
                raise
        time.sleep(PAUSE_SECONDS)


def show_until_rest(events: Iterator[Event], transcript: Transcript) -> None:
    """Show events until the turn has ended or waits for people, or the stream is over."""
    for event in events:
        transcript.show(event)
        if transcript.resting:
            return

"""Follows a conversation across broken connections, from where it was shown last."""

import time
from collections.abc import Iterator

from deployments.cli.api import PAUSE_SECONDS, Answer, Service, ServiceRefused
from deployments.cli.errors import CommandFailed, ConnectionBroke
from deployments.cli.sse import Event
from deployments.cli.transcript import Transcript

PATIENCE_SECONDS = 60.0
RECONNECT = "reconnect"
"""The end of a stream whose replica goes: another one is there already."""


def speak(service: Service, conversation_id: str, message: Answer) -> Iterator[Event]:
    """Send a message, whose `client_id` makes it one, and yield its turn; a service that is too busy is asked again.

    So is one whose answer was lost on its way. A turn may break off in the middle: then `follow` has the rest of it.
    Raises ServiceRefused when it stays so, and at once for a refusal that does not pass; CommandFailed.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    begun = False
    while not begun:
        try:
            for event in service.turn(conversation_id, message):
                begun = True
                yield event
        except ServiceRefused as refusal:
            if refusal.retry_after is None or time.monotonic() + refusal.retry_after > deadline:
                raise
            time.sleep(refusal.retry_after)
        except ConnectionBroke:
            if not begun and time.monotonic() > deadline:
                raise
            time.sleep(PAUSE_SECONDS)
        else:
            return


def follow(service: Service, conversation_id: str, transcript: Transcript) -> Iterator[Event]:
    """Every event behind the transcript's last, without end; a lost service is waited for.

    Raises CommandFailed when it stays away, and ServiceRefused at once when it answers with a refusal.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            for event in service.follow(conversation_id, transcript.last_seq):
                if event["type"] == RECONNECT:
                    break
                yield event
                deadline = time.monotonic() + PATIENCE_SECONDS
            else:
                time.sleep(PAUSE_SECONDS)
            continue
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
        if event["type"] == RECONNECT:
            return
        transcript.show(event)
        if transcript.resting:
            return

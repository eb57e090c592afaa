"""Reads the body of a request within its bounds: as bytes, or as one of the models in `bodies`."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeVar

import orjson
from fastapi import Request
from pydantic import BaseModel, ValidationError

from deployments.ingress.bodies import NewMessage, NewResolution
from deployments.ingress.limits import ReplicaLimits
from deployments.ingress.problems import Problem

MAX_SMALL_BODY_BYTES = 64 * 1024

T = TypeVar("T", bound=BaseModel)
A = TypeVar("A", NewMessage, NewResolution)


async def read_body(
    request: Request, model: type[T], limits: ReplicaLimits, max_bytes: int = MAX_SMALL_BODY_BYTES
) -> T:
    """The request's JSON body as `model`, never more than `max_bytes` of it; raises `Problem`."""
    body, _ = await _read_json(request, model, limits, max_bytes)
    return body


async def read_optional_body(request: Request, model: type[T], limits: ReplicaLimits) -> T:
    """The request's JSON body as `model`; a request without a body leaves out all its fields. Raises `Problem`."""
    received = await read_bytes(request, limits, MAX_SMALL_BODY_BYTES)
    if not received:
        return model()
    _check_media_type(request)
    return _parse(received, model)


async def read_message(
    request: Request, limits: ReplicaLimits, max_bytes: int, max_attached_bytes: int
) -> tuple[NewMessage, int]:
    """A message and its size; `max_attached_bytes` holds for one with images or documents. Raises `Problem`."""
    return await _read_with_attachments(request, NewMessage, limits, max_bytes, max_attached_bytes)


async def read_resolution(
    request: Request, limits: ReplicaLimits, max_bytes: int, max_attached_bytes: int
) -> NewResolution:
    """An answer; `max_attached_bytes` holds for a client's with images or documents. Raises `Problem`."""
    body, _ = await _read_with_attachments(request, NewResolution, limits, max_bytes, max_attached_bytes)
    return body


async def read_bytes(request: Request, limits: ReplicaLimits, max_bytes: int, code: str = "message_too_large") -> bytes:
    """The raw body; raises `Problem` with this code as soon as it has more than `max_bytes`.

    The bodies of all requests together are bounded too: a request that exceeds this bound is refused as `overloaded`.
    """
    received = bytearray()
    try:
        async for chunk in _counted(request):
            limits.body_bytes.acquire(len(chunk))
            received += chunk
            if len(received) > max_bytes:
                raise _too_large(max_bytes, code)
        return bytes(received)
    finally:
        limits.body_bytes.release(len(received))


async def read_pieces(request: Request, limits: ReplicaLimits, max_bytes: int) -> AsyncGenerator[bytes, None]:
    """The raw body as it arrives; a piece counts until the next is asked for. Raises `Problem` if it is too large."""
    total = 0
    async for chunk in _counted(request):
        total += len(chunk)
        if total > max_bytes:
            raise _too_large(max_bytes, "file_too_large")
        with limits.body_bytes.hold(len(chunk)):
            yield chunk


async def read_lines(
    request: Request, limits: ReplicaLimits, max_bytes: int, max_line_bytes: int
) -> AsyncGenerator[bytes, None]:
    """The lines of the body, as they arrive, without their ends; never more than one, and a piece, is held.

    What is held counts until it is taken, also while the client sends nothing; close the iterator when it is left.
    Raises `Problem` as soon as there are more than so many bytes, in all or in one line.
    """
    held, total, counted = bytearray(), 0, 0
    try:
        async for chunk in _counted(request):
            total += len(chunk)
            if total > max_bytes:
                raise _too_large(max_bytes, "file_too_large")
            limits.body_bytes.acquire(len(chunk))
            counted += len(chunk)
            first, *others = chunk.split(b"\n")  # the chunk alone: a long line comes in many
            held += first
            for following in others:
                line, held = bytes(held), bytearray(following)
                _check_line(line, max_line_bytes)
                yield line
            _check_line(held, max_line_bytes)
            limits.body_bytes.release(counted - len(held))
            counted = len(held)
        if held:
            yield bytes(held)
    finally:
        limits.body_bytes.release(counted)


def _check_line(line: bytes | bytearray, max_bytes: int) -> None:
    if len(line) > max_bytes:
        raise _too_large(max_bytes, "file_too_large")


async def _counted(request: Request) -> AsyncIterator[bytes]:
    """The body as it arrives; its bytes count for the principal. Raises `LimitReached` if none are left."""
    principal, limits = request.scope.get("user"), request.app.state.dependencies.request_limits
    if principal is not None:
        await limits.require_bytes(principal.id)
    async for chunk in request.stream():
        if principal is not None:
            await limits.count_bytes(principal.id, len(chunk))
        yield chunk


async def _read_with_attachments(
    request: Request, model: type[A], limits: ReplicaLimits, max_bytes: int, max_attached_bytes: int
) -> tuple[A, int]:
    body, size = await _read_json(request, model, limits, max(max_bytes, max_attached_bytes))
    if size > max_bytes and not body.has_attachments:
        raise _too_large(max_bytes)
    return body, size


async def _read_json(request: Request, model: type[T], limits: ReplicaLimits, max_bytes: int) -> tuple[T, int]:
    """The body, and how many bytes it had."""
    _check_media_type(request)
    received = await read_bytes(request, limits, max_bytes)
    return _parse(received, model), len(received)


def _check_media_type(request: Request) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem("unsupported_media_type", f"Send application/json, not {media_type or 'nothing'}.")


def _parse(received: bytes, model: type[T]) -> T:
    try:
        parsed = orjson.loads(received)
    except orjson.JSONDecodeError as error:
        raise Problem("malformed_json", str(error)) from error
    try:
        return model.model_validate(parsed)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "body"
        raise Problem("invalid_request", f"{place}: {first['msg']}") from error


def _too_large(max_bytes: int, code: str = "message_too_large") -> Problem:
    return Problem(code, f"At most {max_bytes} bytes are taken.")

"""Reading what a request brings: bounded, JSON, one object; token and key; before any route runs."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Depends, Header, Query
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request

from starter.api.authorisation import with_actor
from starter.api.problems import ProblemError, invalid
from starter.api.problems import unauthorised as unauthorised
from starter.api.services import services_of
from starter.reception.limits import retry_after
from starter.signatures import digest

API_BYTES = 256 * 1024
INTAKE_BYTES = 1024 * 1024
DRAIN_BYTES = 16 * 1024 * 1024
"""Read and thrown away beyond a limit, so that the sender gets to the answer instead of a broken pipe."""
BODY_SECONDS = 30
MAX_DEPTH = 20
MAX_KEY_CHARS = 200
MAX_NUMBER_CHARS = 100
_KEY = re.compile(rf"[\x20-\x7e]{{1,{MAX_KEY_CHARS}}}")


class TooLargeError(Exception):
    """A body over the limit; carries how it begins."""

    def __init__(self, start: bytes) -> None:
        self.start = start
        super().__init__("body too large")


async def read_body(request: Request, limit: int) -> bytes:
    """The body.

    Raises:
        TooLargeError: it is larger than the limit.
        ProblemError: it did not come in time, or it is packed.
    """
    packing = request.headers.get("content-encoding", "identity").strip().lower()
    if packing not in ("", "identity"):
        # A few bytes would become gigabytes, and no sender packs what it sends unless told to.
        raise ProblemError(415, "packed", f"send it without Content-Encoding: {packing[:40]}")
    kept, size = bytearray(), 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                kept += chunk[: max(limit - len(kept), 0)]
                if size > DRAIN_BYTES:
                    break
    except TimeoutError:
        raise ProblemError(408, "too_slow", f"the body took over {BODY_SECONDS} s") from None
    if size > limit:
        raise TooLargeError(bytes(kept))
    return bytes(kept)


async def within_rate(request: Request) -> None:
    """Refuse a token that asks far more than people and programs do; never its acknowledgements."""
    if request.url.path.endswith("/acknowledge"):
        return
    session = getattr(request.state, "session", None)
    # The cookie of a session changes now and then; its id does not.
    held = f"session {session.id}" if session else request.headers.get("authorization", "")
    wait = services_of(request).limits.caller(digest(held.encode(errors="replace")))
    if wait:
        error = ProblemError(429, "too_many_requests", "too many requests with this token")
        error.headers["Retry-After"] = retry_after(wait)
        raise error


async def json_object(request: Request) -> dict[str, Any]:
    """The body as one JSON object; an empty body is an empty object."""
    try:
        data = await read_body(request, API_BYTES)
    except TooLargeError:
        detail = f"a body holds at most {API_BYTES} bytes"
        raise ProblemError(413, "too_large", detail) from None
    value = _parse(data) if data.strip() else {}
    if not isinstance(value, dict):
        raise invalid(f"expected one JSON object, got {type(value).__name__}")
    for pointer, text in _texts(value):
        if "\x00" in text:
            raise invalid("must not hold a NUL character", pointer)
        if not _is_whole(text):
            raise invalid("holds half of a character (a lone surrogate)", pointer)
    return with_actor(request, value)


def idempotency_key(
    idempotency_key: Annotated[
        str | None, Header(description="The same key does the same thing once", max_length=4096)
    ] = None,
) -> str | None:
    """The caller's own id for what is asked."""
    if idempotency_key is None:
        return None
    return _checked_key(idempotency_key, "/Idempotency-Key")


def key_for(body: dict[str, Any], header: str | None) -> str:
    """The key of a write: the header's, else the body's own `key`, else one of ours."""
    own = body.get("key")
    if header is None and isinstance(own, str) and own:
        return _checked_key(own, "/key")
    return header or str(uuid.uuid4())


def _checked_key(key: str, pointer: str) -> str:
    """A key that Temporal and the records can hold. Raises ProblemError."""
    if not _KEY.fullmatch(key):
        raise invalid(f"expected 1 to {MAX_KEY_CHARS} printable ASCII characters", pointer)
    return key


class NoQuery(BaseModel):
    """Query parameters of a route that has none; the base of those that have some."""

    model_config = ConfigDict(extra="forbid")


async def no_query(query: Annotated[NoQuery, Query()]) -> None:
    """Refuse every query parameter: one that is not read was meant for something."""


def _parse(data: bytes) -> Any:
    try:
        value = json.loads(data.decode("utf-8"), parse_constant=_refuse, parse_int=_whole)
    except UnicodeDecodeError as error:
        raise ProblemError(400, "not_json", f"the body is not UTF-8: {error.reason}") from None
    except (ValueError, RecursionError) as error:
        raise ProblemError(400, "not_json", f"the body is not JSON: {error}") from None
    if _depth(value) > MAX_DEPTH:
        raise ProblemError(400, "not_json", f"nested more than {MAX_DEPTH} levels deep")
    return value


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _whole(digits: str) -> int:
    if len(digits) > MAX_NUMBER_CHARS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _depth(value: Any) -> int:
    """How deeply it is nested. Level by level: recursion would be what it guards against."""
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            item
            for one in level
            if isinstance(one, dict | list)
            for item in (one.values() if isinstance(one, dict) else one)
        ]
        if depth > MAX_DEPTH:
            break
    return depth


def _texts(value: Any, pointer: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a value, the names in it too, with its place."""
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield f"{pointer}/?", name
            yield from _texts(item, f"{pointer}/{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, f"{pointer}/{index}")


def _is_whole(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


Body = Annotated[dict[str, Any], Depends(json_object)]
Key = Annotated[str | None, Depends(idempotency_key)]

"""Around every request: its id, the headers that protect, the counters, and the last safety net."""

from __future__ import annotations

import re
import time

import structlog
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from starter.api.hooks import INTAKE
from starter.api.metrics import Metrics
from starter.api.problems import on_problem
from starter.unique import unique_id

REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""A route that sets one of them itself keeps its own."""
_RAW_HEADERS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Frame:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        given = request.headers.get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else unique_id()
        scope.setdefault("state", {})["request_id"] = request_id
        started, has_begun = time.monotonic(), False

        async def framed(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                own = list(message.get("headers", ()))
                named = {name.lower() for name, _ in own}
                if b"x-request-id" not in named:  # Opsgenie's answers say their own
                    own.append((b"x-request-id", request_id.encode()))
                own += [pair for pair in _RAW_HEADERS if pair[0] not in named]
                own += scope["state"].get("cookies", ())  # of a session that goes on
                message["headers"] = own
                self._count(scope, message["status"], time.monotonic() - started)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                hook = (
                    None if scope["query_string"] else INTAKE.get((scope["method"], scope["path"]))
                )
                if hook is not None:
                    await (await hook(request, request.headers.get("authorization")))(
                        scope, receive, framed
                    )
                else:
                    await self._app(scope, receive, framed)
            except ClientDisconnect:
                return  # nobody is left to hear an answer
            except Exception as error:
                if has_begun:
                    raise  # nothing can be said any more; the server cuts the connection
                response = await on_problem(request, error)
                await response(scope, receive, framed)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        kind = _kind(scope["path"])
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._metrics.requests.labels(kind, method, str(status)).inc()
        self._metrics.seconds.labels(kind).observe(seconds)


class Shortcut:
    """ASGI application for the server: hooks go straight to a frame, everything else takes the usual way.

    In a storm the framework's own middlewares around the frame would cost a tenth of the API's work, and
    a hook uses none of them.
    """

    def __init__(self, app: Starlette, metrics: Metrics) -> None:
        self._app, self._frame = app, Frame(app, metrics)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_hook = (
            scope["type"] == "http"
            and not scope["query_string"]
            and (scope["method"], scope["path"]) in INTAKE
        )
        if is_hook:
            scope["app"] = self._app
        await (self._frame if is_hook else self._app)(scope, receive, send)


def _kind(path: str) -> str:
    """A few kinds of paths: a label for each path would never end."""
    for start, kind in (
        ("/api/", "api"),
        ("/hooks/", "intake"),
        ("/heartbeats/", "intake"),
        ("/v2/", "intake"),
        ("/jsm/", "intake"),
        ("/generic/", "intake"),
        ("/i/", "page"),
        ("/answer/", "answer"),
        ("/status", "status"),
    ):
        if path.startswith(start):
            return kind
    return "other"

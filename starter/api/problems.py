"""Every error as RFC 9457 problem+json: which error has which status stands here and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from domain.errors import (
    ActorRequiredError,
    CommandError,
    IncidentError,
    PolicyError,
    Problem,
    TransitionError,
    UnknownNameError,
)
from domain.names import nearest
from records.database import RecordsUnavailableError
from starter.access.door import NotAllowedError
from starter.access.seals import SealsUnreadableError
from starter.access.store import TokensUnreadableError
from starter.api.feed import TooManyListenersError
from starter.api.services import services_of
from starter.gateway import NoSuchIncidentError
from starter.intake.formats import ForgedError
from starter.reception.admission import RateLimitedError
from starter.reception.group_commit import TooManyWaitingError
from starter.reception.limits import retry_after
from starter.reports.desk import NoSuchReportError
from starter.temporal_link import GatewayUnavailableError, NotAnsweredError, RefusedError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5
WITH_TOKENS = ("/i/", "/answer/", "/status/subscribe/")
"""How the paths of links for people begin, which hold their token."""
UNAVAILABLE = (
    GatewayUnavailableError,
    NotAnsweredError,
    RecordsUnavailableError,
    TooManyListenersError,
    TooManyWaitingError,
    RateLimitedError,
    TokensUnreadableError,
    SealsUnreadableError,
)
CODES = {
    "TransitionError": (409, "wrong_state"),
    "UnknownNameError": (422, "unknown_name"),
    "CommandError": (422, "invalid"),
    "ConflictError": (409, "conflict"),
    "ActorRequiredError": (422, "actor_required"),
    "ForbiddenError": (403, "forbidden"),
}
log = structlog.get_logger(__name__)


class ProblemError(Exception):
    """An error that only HTTP has, such as a missing token or a body that is too large.

    Args:
        code: a stable word for programs.
        errors: the mistakes, one by one.
        more: further members of the document.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        errors: Sequence[Problem] = (),
        **more: Any,
    ) -> None:
        self.status, self.code, self.detail = status, code, detail
        self.errors, self.more = list(errors), more
        self.headers: dict[str, str] = {}
        super().__init__(detail)


def unauthorised() -> ProblemError:
    """401, which says nothing about why."""
    error = ProblemError(401, "unauthorised", "a valid bearer token is needed")
    error.headers["WWW-Authenticate"] = "Bearer"
    return error


def tries_too_often(request: Request) -> float:
    """For how long an address that knocks without a key should stay away; 0: it may go on trying.

    Whoever has a key is never asked: behind one address there may be many.
    """
    if request.url.path == "/hooks/sns" and "authorization" not in request.headers:
        return 0.0  # how SNS begins each delivery: the 401 is what it needs to go on
    address = request.client.host if request.client is not None else ""
    return services_of(request).limits.stranger(address)


def invalid(detail: str, pointer: str = "", near: Sequence[str] = ()) -> ProblemError:
    """422 for one mistake."""
    problem = Problem(where=pointer, detail=detail, near=tuple(near))
    return ProblemError(422, "invalid", detail, [problem])


def problem_response(
    request: Request,
    status: int,
    code: str,
    detail: str,
    errors: Sequence[Problem] = (),
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    """The document."""
    body: dict[str, Any] = {
        "type": f"urn:tocsin:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": sayable(detail),
        "instance": sayable(shown_path(request)),
        "code": code,
        "request_id": request.scope.get("state", {}).get("request_id", ""),
        **more,
    }
    if errors:
        body["errors"] = [_error(problem) for problem in errors]
    return JSONResponse(body, status, dict(headers or {}), media_type=MEDIA_TYPE)


def shown_path(request: Request) -> str:
    """The path as it may be shown and logged: behind the name of a hook stands an integration's key."""
    path = request.url.path
    return re.sub(r"^(/hooks/[^/]*)/.+", r"\1/…", path, flags=re.DOTALL)


def sayable(text: str) -> str:
    """Text that can be sent: a request may have held half a character, and an error quotes it."""
    return text.encode(errors="replace").decode()


def _error(problem: Problem) -> dict[str, Any]:
    said: dict[str, Any] = {
        "pointer": sayable(problem.where),
        "detail": sayable(problem.detail),
        "near": [sayable(name) for name in problem.near],
    }
    if problem.file:
        said |= {"file": problem.file, "line": problem.line}
    return said


async def on_problem(request: Request, error: Exception) -> Response:
    """The one handler: which document an error becomes."""
    match error:
        case ForgedError():
            return await on_problem(request, unauthorised())
        case RateLimitedError():
            # Not 429: Alertmanager's webhook gives an alert up at a 429, and comes again after a 503.
            wait = {"Retry-After": retry_after(error.seconds)}
            return problem_response(request, 503, "rate_limited", str(error), headers=wait)
        case ProblemError(status=401) if seconds := tries_too_often(request):
            detail = "too many requests without a valid key from this address"
            wait = {"Retry-After": retry_after(seconds)}
            return problem_response(request, 429, "too_many_attempts", detail, headers=wait)
        case ProblemError():
            return problem_response(
                request,
                error.status,
                error.code,
                error.detail,
                error.errors,
                error.headers,
                **error.more,
            )
        case RefusedError() | TransitionError() | IncidentError():
            return _refused(request, error)
        case NotAllowedError():
            return problem_response(request, 403, "forbidden", str(error))
        case NoSuchReportError():
            return problem_response(request, 404, "not_found", str(error))
        case NoSuchIncidentError():
            return await _not_found(request, error)
        case PolicyError():
            detail = (
                f"the policy has {len(error.problems)} mistakes; the last good one stays in force"
            )
            return problem_response(request, 422, "policy_invalid", detail, error.problems)
        case RequestValidationError():
            problems = [_of_request(item) for item in error.errors()]
            return problem_response(request, 422, "invalid", _together(problems), problems)
        case HTTPException():
            return _of_framework(request, error)
        case _ if isinstance(error, UNAVAILABLE):
            wait = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            return problem_response(request, 503, "unavailable", str(error), headers=wait)
        case _:
            path = shown_path(request)
            # A link for people holds its token in the path.
            held = next((start for start in WITH_TOKENS if path.startswith(start)), None)
            shown = path if held is None else f"{held}…"
            log.error("api.error", path=shown, exc_info=error)
            detail = "an error of Tocsin's own; its log has more under this request_id"
            return problem_response(request, 500, "internal", detail)


def _refused(request: Request, error: IncidentError) -> Response:
    kind = error.kind if isinstance(error, RefusedError) else type(error).__name__
    status, code = CODES.get(kind, (422, "invalid"))
    more: dict[str, Any] = {}
    if isinstance(error, RefusedError | TransitionError) and code == "wrong_state":
        more = {"incident_status": error.status, "allowed": error.allowed}
    errors = [] if code == "wrong_state" else error.problems()
    return problem_response(request, status, code, str(error), errors, **more)


def _of_framework(request: Request, error: HTTPException) -> Response:
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "refused")
    path = shown_path(request)
    detail = f"there is nothing at {path}" if error.status_code == 404 else ""
    if error.status_code == 405:
        detail = f"{path} does not take {request.method}"
    return problem_response(
        request, error.status_code, code, detail or str(error.detail), headers=error.headers
    )


async def _not_found(request: Request, error: NoSuchIncidentError) -> Response:
    """An incident that nobody knows, with the open ones that were probably meant."""
    asked = str(request.path_params.get("incident_id", ""))
    near = await request.app.state.services.gateway.near_ids(asked) if asked else ()
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    problem = Problem(where="/incident_id", detail=str(error), near=near)
    return problem_response(request, 404, "not_found", f"{error}{hint}", [problem])


def _of_request(item: dict[str, Any]) -> Problem:
    """A mistake that FastAPI found in the path or the query."""
    place = [str(part) for part in item["loc"]]
    name = "/".join(place[1:]) or place[0]
    if item["type"] == "extra_forbidden":
        known = QUERY_NAMES
        return Problem(
            where=f"/{name}", detail=f"no parameter {name!r} here", near=nearest(name, known)
        )
    return Problem(where=f"/{name}", detail=str(item["msg"]).removeprefix("Value error, "))


QUERY_NAMES = (
    "status", "service", "severity", "limit", "cursor", "prefix", "at", "format", "days",
    "person", "token", "schedule", "past", "from", "to",
)  # fmt: skip


def _together(problems: Sequence[Problem]) -> str:
    return "; ".join(f"{problem.where} {problem.detail}" for problem in problems)


HANDLED: tuple[type[Exception], ...] = (
    ProblemError,
    NotAllowedError,
    NoSuchReportError,
    IncidentError,
    ActorRequiredError,
    CommandError,
    UnknownNameError,
    NoSuchIncidentError,
    PolicyError,
    RequestValidationError,
    HTTPException,
    ForgedError,
    *UNAVAILABLE,
)


def install(app: FastAPI) -> None:
    """Let every error of ours become its document."""
    for kind in HANDLED:
        app.add_exception_handler(kind, on_problem)

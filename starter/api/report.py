"""The form at `/report`, for customers and colleagues: no script, and no account where the policy says so."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Depends
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from domain.policy.slice import UNKNOWN_SERVICE
from domain.reporting import Said
from domain.status_page.incidents import public_incident
from starter.access.door import NotAdmittedError
from starter.access.sessions import Session
from starter.answering.twilio import read_form
from starter.api.bodies import TooLargeError, no_query, read_body
from starter.api.looks import looks
from starter.api.oncall import wire
from starter.api.problems import UNAVAILABLE, ProblemError
from starter.api.services import Services, services_of
from starter.api.session_cookies import TOKEN_FIELD, by_session
from starter.reports import form
from starter.reports.desk import NoSuchReportError
from starter.reports.form import Filled
from starter.security import bearer

router = APIRouter(prefix="/report", tags=["reports"])
BYTES = 64 * 1024
STYLE, HEADERS = looks("report.css", has_form=True)
PAGE: dict[str, Any] = {"content": {"text/html": {}}}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The form", **PAGE},
    401: {"description": "The form needs an account here", **PAGE},
}
FIELDS = ("service", "summary", "description", "reported_by", "email", "token", form.TRAP)
FORM = {
    "requestBody": {
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "properties": {name: {"type": "string"} for name in FIELDS},
                }
            }
        }
    }
}
WORDS = {
    "waiting": "Your report has arrived, and nobody has answered it yet.",
    "confirmed": "We know of the problem and are working on it.",
    "dismissed": "We looked at your report and found nothing wrong at the moment.",
    "over": "Your report is closed.",
}


@router.get(
    "",
    summary="The form by which customers and colleagues report a problem",
    operation_id="report_form",
    dependencies=[Depends(no_query)],
    response_class=HTMLResponse,
    responses=RESPONSES,
)
@router.head("", include_in_schema=False, dependencies=[Depends(no_query)])
async def show(request: Request) -> Response:
    services = services_of(request)
    if not _may_use(request, services):
        return _page(services, "closed", 401)
    return await _form(services, None, 200, request)


@router.post(
    "",
    summary="Report a problem; the answer names a reference",
    operation_id="report",
    dependencies=[Depends(no_query)],
    response_class=HTMLResponse,
    status_code=201,
    openapi_extra=FORM,
    responses={
        201: {"description": "Kept; the page names its reference", **PAGE},
        401: RESPONSES[401],
        422: {"description": "The form again, with what is wrong", **PAGE},
        429: {"description": "Too many reports", **PAGE},
        503: {"description": "Not kept: send it again", **PAGE},
    },
)
async def send(request: Request) -> Response:
    services = services_of(request)
    fields = await _fields(request)
    if not _may_use(request, services, dict(fields).get(TOKEN_FIELD, "")):
        return _page(services, "closed", 401)
    filled = form.read(fields, services.form_tokens, services.policy(), datetime.now(UTC))
    if filled.problems:
        return await _form(services, filled, 422, request)
    if not _within_limits(request, services):
        filled.problems["form"] = (
            "There were many reports in a short time. Wait a few minutes, and send it once more."
        )
        answer = await _form(services, filled, 429, request)
        answer.headers["Retry-After"] = "300"
        return answer
    values = filled.values
    said = Said(
        service=values["service"],
        summary=values["summary"],
        description=values["description"],
        reported_by=values["reported_by"],  # the form has checked it
    )
    try:
        report = await services.reports.take(filled.ref, said, values["email"])
    except UNAVAILABLE:
        filled.problems["form"] = (
            "Your report could not be kept just now. What you wrote is still here: send it once more."
        )
        return await _form(services, filled, 503, request)
    return _page(services, "taken", 201, report=report.view(), asked=bool(values["email"]))


@router.get(
    "/{ref}",
    summary="What became of a report",
    operation_id="report_status",
    dependencies=[Depends(no_query)],
    response_class=HTMLResponse,
    responses={
        200: {"description": "What became of it", **PAGE},
        404: {"description": "There is no report of that reference", **PAGE},
        429: {"description": "Too many questions", **PAGE},
    },
)
async def status(request: Request, ref: str) -> Response:
    services = services_of(request)
    if not services.report_limits.looks.take(_client(request)):
        return _page(services, "limited", 429)
    try:
        report = await services.reports.one(ref) if form.is_reference(ref) else None
    except NoSuchReportError:
        report = None
    if report is None:
        return _page(services, "unknown", 404)
    return _page(services, "status", 200, report=report, words=_words(report))


def _words(report: dict[str, Any]) -> str:
    if report["state"] == "over" and report["ended_as"] == "resolved":
        return "The problem that you reported has been resolved."
    return WORDS.get(str(report["state"]), WORDS["waiting"])


def _may_use(request: Request, services: Services, csrf_token: str = "") -> bool:
    """Whether the form is open to them. Raises ProblemError for another site's form with their cookie."""
    if services.policy().reports.open:
        return True
    try:
        if by_session(request, csrf_token) is None:
            services.door.principal(bearer(request.headers.get("authorization")))
    except NotAdmittedError:
        return False
    except ProblemError as error:
        if error.status == 401:
            return False
        raise
    return True


def _client(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _within_limits(request: Request, services: Services) -> bool:
    """A few from one address, and not too many from all: a storm of reports must not hide one."""
    limits = services.report_limits
    return limits.from_one.take(_client(request)) and limits.from_all.take("all")


async def _fields(request: Request) -> list[tuple[str, str]]:
    try:
        return read_form(await read_body(request, BYTES))
    except TooLargeError:
        raise ProblemError(413, "too_large", f"the form takes at most {BYTES} bytes") from None
    except ValueError:
        raise ProblemError(422, "invalid", "the body is no form in UTF-8") from None


async def _form(
    services: Services, filled: Filled | None, status: int, request: Request
) -> Response:
    policy = services.policy()
    offered = form.services_offered(policy)
    now = datetime.now(UTC)
    session: Session | None = getattr(request.state, "session", None)
    answer = _page(
        services,
        "form",
        status,
        offered={**offered, UNKNOWN_SERVICE: "I do not know"},
        values=filled.values if filled else {},
        problems=filled.problems if filled else {},
        token=_token(services, filled, now),
        trap=form.TRAP,
        known=await _known(services),
        limits={"summary": form.MAX_SUMMARY_CHARS, "description": form.MAX_DESCRIPTION_CHARS},
        csrf_token=services.sessions.csrf_token(session) if session else "",
    )
    if session is not None:
        # Without a referrer browsers hide, over http, that the form is ours.
        answer.headers["Referrer-Policy"] = "same-origin"
    return answer


def _token(services: Services, filled: Filled | None, now: datetime) -> str:
    """The form's own token while it is good: a report that was not kept keeps its reference."""
    if filled is not None and "form" not in filled.problems:
        return filled.values["token"]
    if filled is not None and "could not be kept" in filled.problems["form"]:
        return filled.values["token"]
    return services.form_tokens.make(now)


async def _known(services: Services) -> list[dict[str, Any]]:
    """What is known already: only what was published to the outside, for anybody may read this."""
    found = []
    policy = services.policy()
    for view in await services.reports.open_incidents_of_all():
        told = public_incident(policy, view)
        if told is not None and told.is_open:
            last = told.last
            found.append(
                {
                    "name": told.component_name,
                    "status": last.status.value,
                    "at": wire(last.at),
                    "text": last.text,
                    "next_update_at": wire(last.next_update_at) if last.next_update_at else None,
                }
            )
    return found[:20]


def _page(services: Services, kind: str, status: int, **context: Any) -> HTMLResponse:
    policy = services.policy()
    shown = {
        "kind": kind,
        "organisation": policy.organisation.name,
        "now": wire(datetime.now(UTC)),
        "style": Markup(STYLE),
        "report": {},
        "words": "",
        "asked": False,
        "can_sign_in": policy.access.oidc is not None,
        **context,
    }
    html = services.renderer.render_file(f"report_page/{_FILES.get(kind, kind)}.html.j2", shown)
    return HTMLResponse(html, status, headers=HEADERS)


_FILES = {"closed": "message", "unknown": "message", "limited": "message", "status": "message"}

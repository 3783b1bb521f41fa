"""The page that a page's link opens. Opening it changes nothing: only its buttons do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Depends
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from starter.answering import screens
from starter.answering.acting import ACKNOWLEDGE, ACKNOWLEDGE_ALL, ESCALATE
from starter.answering.desk import AnswerDesk
from starter.answering.screens import Screen
from starter.answering.standing import Kind, Standing
from starter.answering.twilio import read_form
from starter.api.bodies import TooLargeError, no_query, read_body
from starter.api.looks import looks
from starter.api.problems import ProblemError
from starter.api.services import Services, services_of
from starter.records_access import View
from starter.security import PageRef, TokenState

router = APIRouter(prefix="/answer", tags=["answers"])
BYTES = 64 * 1024
VIA = "link"

STYLE, HEADERS = looks("answer.css", has_form=True, has_secret_address=True)
PAGE: dict[str, Any] = {"content": {"text/html": {}}}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "A page for people", **PAGE},
    403: {"description": "A link that is not valid, or not this person's", **PAGE},
    409: {"description": "Somebody else has it, or the page is over", **PAGE},
    410: {"description": "The link has expired", **PAGE},
    429: {"description": "Too many requests with this link", **PAGE},
}
FORM = {
    "requestBody": {
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "action": {
                            "type": "string",
                            "enum": [ACKNOWLEDGE, ACKNOWLEDGE_ALL, ESCALATE],
                        },
                        "confirm": {"type": "string", "enum": ["yes"]},
                    },
                }
            }
        }
    }
}


@router.get(
    "/{token}",
    summary="The page that a page's link opens; changes nothing",
    operation_id="answer_page",
    dependencies=[Depends(no_query)],
    response_class=HTMLResponse,
    responses=RESPONSES,
)
@router.head("/{token}", include_in_schema=False, dependencies=[Depends(no_query)])
async def look(request: Request, token: str) -> Response:
    services = services_of(request)
    opened = _open(request, services.answers, token)
    if isinstance(opened, Screen):
        return _shown(services, opened)
    if not services.answers.looks.take(token):
        return _shown(services, screens.TOO_MANY)
    standing = await services.answers.answering.standing(opened)
    others = await services.answers.answering.together(opened)
    return _shown(services, screens.of_standing(standing), standing, others=others)


@router.post(
    "/{token}",
    summary="Press a button of that page; without `action` it acknowledges",
    operation_id="answer",
    dependencies=[Depends(no_query)],
    response_class=HTMLResponse,
    openapi_extra=FORM,
    responses={
        **RESPONSES,
        202: {"description": "Kept; recorded when a worker is up", **PAGE},
        503: {"description": "Not kept: press again", **PAGE},
    },
)
async def press(request: Request, token: str) -> Response:
    services = services_of(request)
    desk = services.answers
    fields = dict(await form_of(request))
    opened = _open(request, desk, token)
    if isinstance(opened, Screen):
        return _shown(services, opened)
    if not desk.presses.take(token):
        return _shown(services, screens.TOO_MANY)
    action = fields.get("action", ACKNOWLEDGE)
    if action == ESCALATE and fields.get("confirm") != "yes":
        standing = await desk.answering.standing(opened)
        return _shown(services, screens.confirmation(standing), standing)
    others = await desk.answering.together(opened)
    if action == ACKNOWLEDGE_ALL:
        results = await desk.answering.acknowledge_all([opened, *others], VIA)
        first, screen = results[0], screens.of_results(results)
        left = others if screen.can_acknowledge else []
        return _shown(services, screen, first.standing, first.view, left)
    if action == ESCALATE:
        result = await desk.answering.escalate(opened, VIA)
    elif action == ACKNOWLEDGE:
        result = await desk.answering.acknowledge(opened, VIA)
    else:
        return _shown(services, screens.UNKNOWN_ACTION)
    screen = screens.of_result(action, result)
    return _shown(services, screen, result.standing, result.view, others)


async def form_of(request: Request) -> list[tuple[str, str]]:
    """The fields of a form, of at most 64 KiB. Raises ProblemError."""
    try:
        return read_form(await raw_body(request))
    except ValueError as error:
        raise ProblemError(400, "not_a_form", f"the body is no form: {error}") from None


async def raw_body(request: Request) -> bytes:
    """The body, of at most 64 KiB. Raises ProblemError."""
    try:
        return await read_body(request, BYTES)
    except TooLargeError:
        raise ProblemError(413, "too_large", f"a body holds at most {BYTES} bytes") from None


def _open(request: Request, desk: AnswerDesk, token: str) -> PageRef | Screen:
    """The page that a token is for, or what to say where it opens nothing."""
    read = desk.signer.read(token, desk.clock())
    if read.state is TokenState.GOOD and read.page is not None:
        return read.page
    host = request.client.host if request.client else ""
    if not desk.strangers.take(host):
        return screens.TOO_MANY
    return screens.of_token(read.state, read.page)


def _shown(
    services: Services,
    screen: Screen,
    standing: Standing | None = None,
    view: View | None = None,
    others: Sequence[PageRef] = (),
) -> Response:
    """The HTML. What is not known of the incident is left out, and all of it for whom it is none of."""
    policy = services.policy()

    def named(key: str) -> str:
        person = policy.people.get(key)
        return person.name if person and person.name else key

    is_theirs = standing is not None and standing.kind is not Kind.FOREIGN
    page = standing.page if standing and is_theirs else None
    incident = (view or standing.view) if standing and is_theirs else {}
    paged = standing.paged if standing and is_theirs else ()
    context = {
        "screen": screen,
        "page": page._asdict() if page else None,
        "incident": {"service_name": "", "url": "", **incident} if incident else None,
        "holder": ", ".join(named(person) for person in holders_of(incident)),
        "paged": [named(person) for person in paged],
        "others": [other.incident for other in others] if is_theirs else [],
        "person": named(page.person) if page else "",
        "style": Markup(STYLE),
    }
    html = services.renderer.render_file("answer_page/page.html.j2", context)
    return HTMLResponse(html, screen.status, headers=HEADERS)


def holders_of(view: View) -> list[str]:
    """Who has the incident, the incident manager first."""
    manager = view.get("incident_manager")
    others = [str(one["person"]) for one in view.get("responders", [])]
    return list(dict.fromkeys([*([str(manager)] if manager else []), *others]))

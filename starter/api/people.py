"""A small page without a script: one incident for the people on it. It opens by a token in its link."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Depends
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from domain.policy.model import Policy
from domain.timeline import Entry
from records.database import RecordsUnavailableError
from starter.api.bodies import no_query
from starter.api.looks import looks
from starter.api.problems import ProblemError
from starter.api.services import services_of
from starter.gateway import is_incident_id
from starter.records_access import View
from templates.renderer import Renderer

router = APIRouter(include_in_schema=False)
MAX_ENTRIES = 300

STYLE, HEADERS = looks(has_secret_address=True)


@router.get("/i/{incident_id}/{token}", dependencies=[Depends(no_query)])
async def people_page(request: Request, incident_id: str, token: str) -> Response:
    services = services_of(request)
    if not is_incident_id(incident_id) or not services.signer.verify(incident_id, token):
        raise ProblemError(404, "not_found", "this link opens nothing")
    view = await services.gateway.incident(incident_id)
    try:
        entries = await services.gateway.whole_timeline(incident_id)
    except RecordsUnavailableError:
        entries = []
    html = render_incident(services.renderer, services.policy(), view, entries)
    return HTMLResponse(html, headers=HEADERS)


def render_incident(
    renderer: Renderer, policy: Policy, view: View, entries: Sequence[Entry]
) -> str:
    """The page of one incident."""

    def named(key: str) -> str:
        person = policy.people.get(key)
        return person.name if person and person.name else key

    context = {
        "incident": {"next_update_due": {}, "service_name": "", **view},
        "entries": [entry.model_dump(mode="json") for entry in entries[-MAX_ENTRIES:]],
        "left_out": max(len(entries) - MAX_ENTRIES, 0),
        "with_roles": {role["person"] for role in view.get("roles", [])},
        "named": named,
        "style": Markup(STYLE),
    }
    return renderer.render_file("people_page/page.html.j2", context)

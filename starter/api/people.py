"""Two small pages without a script: one incident for the people on it, and the public status.

The first opens by a token in its link and shows everything; the second is for everybody and shows only
what was published to the outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Depends
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from domain.policy.model import External, Policy
from domain.timeline import Entry
from records.database import RecordsUnavailableError
from starter.api.bodies import no_query
from starter.api.looks import looks
from starter.api.oncall import wire
from starter.api.problems import ProblemError
from starter.api.services import services_of
from starter.gateway import is_incident_id
from starter.records_access import View
from templates.renderer import Renderer

router = APIRouter(include_in_schema=False)
MAX_ENTRIES = 300
MAX_PUBLIC = 50

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


@router.get("/status", dependencies=[Depends(no_query)])
async def public_status(request: Request) -> Response:
    services = services_of(request)
    records = services.gateway.records
    views, _ = await records.read(records.reader.incidents, "open", limit=200)
    html = render_status(services.renderer, services.policy(), views, datetime.now(UTC))
    return HTMLResponse(html, headers={**HEADERS, "Cache-Control": "public, max-age=10"})


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


def render_status(renderer: Renderer, policy: Policy, views: Sequence[View], at: datetime) -> str:
    """The public page: of each open public incident the last external update."""
    title = policy.status_page.title or f"{policy.organisation.name} status"
    context = {
        "title": title,
        "incidents": [said for view in views if (said := published(policy, view))][:MAX_PUBLIC],
        "at": wire(at),
        "style": Markup(STYLE),
    }
    return renderer.render_file("public_status/page.html.j2", context)


def published(policy: Policy, view: View) -> dict[str, Any] | None:
    """What the outside may read of an incident; None where nothing was published, or nothing may be.

    Nothing is taken from the incident but its external updates: summary and description are internal.
    """
    service = policy.service(view["service"])
    process = policy.process(view.get("type") or "default")
    external = [one for one in view.get("updates", []) if one["audience"] == "external"]
    if not service.public or process.external is External.NEVER or not external:
        return None
    last = external[-1]
    return {
        "name": service.name or view["service"],
        "status": last.get("status") or "investigating",
        "at": last["at"],
        "text": last["text"],
        "next_update_at": last.get("next_update_at"),
    }

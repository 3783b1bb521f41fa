"""The public status page: for everybody, and of incidents only what was published to the outside."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response

from starter.api.live_status import Shown
from starter.api.problems import ProblemError
from starter.api.services import services_of
from templates.status_addresses import INDEX
from templates.status_site import CONTENT_POLICY, HTML

router = APIRouter(prefix="/status", include_in_schema=False)
CACHING = "public, max-age=0, s-maxage=2, stale-if-error=86400"
"""A browser asks each time whether its copy is good; a cache in front takes the load and outlives us."""
LASTING = "public, max-age=300"
"""Of what changes with a release only."""
PAGE_HEADERS = {
    "Content-Security-Policy": f"{CONTENT_POLICY}; frame-ancestors 'none'",
    "Referrer-Policy": "strict-origin-when-cross-origin",
}
FOR_OTHER_SITES = ("api/v2/", "widget.js", "history.")


async def changes(request: Request) -> AsyncIterator[str]:
    """Taken before the answer begins, so that one listener too many is told so."""
    return services_of(request).status.listen()


@router.get("/events", response_class=EventSourceResponse)
async def events(
    changed: Annotated[AsyncIterator[str], Depends(changes)],
) -> AsyncIterator[ServerSentEvent]:
    """Tells a reader's browser when to fetch the page again. One that is refused looks by itself."""
    yield ServerSentEvent(comment="listening", retry=3000)
    async for tag in changed:
        yield ServerSentEvent(data=tag, event="changed")


@router.api_route("", methods=["GET", "HEAD"])
async def index(request: Request) -> Response:
    return await _answer(request, INDEX)


@router.api_route("/{path:path}", methods=["GET", "HEAD"])
async def site(request: Request, path: str) -> Response:
    """Any other file of the site; pages with or without `.html`. Keep this the last route under `/status`."""
    return await _answer(request, path)


async def _answer(request: Request, path: str) -> Response:
    status = services_of(request).status
    shown = await status.show(path or INDEX) or await status.show(f"{path}.html")
    if shown is None:
        raise ProblemError(404, "not_found", "the status page has nothing of that name")
    headers = _headers(request, path, shown)
    if _has_it(request, shown.etag):
        return Response(status_code=304, headers=headers)
    return Response(shown.file.body, headers=headers, media_type=shown.file.media_type)


def _headers(request: Request, path: str, shown: Shown) -> dict[str, str]:
    is_lasting = path in ("widget.js", "style.css", "live.js")
    headers = {"ETag": shown.etag, "Cache-Control": LASTING if is_lasting else CACHING}
    if shown.file.media_type == HTML:
        headers |= PAGE_HEADERS
    if path.startswith(FOR_OTHER_SITES):
        headers |= _for_other_sites(request)
    return headers


def _for_other_sites(request: Request) -> dict[str, str]:
    allowed = services_of(request).policy().status_page.widget_origins
    if not allowed:
        return {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
    headers = {"Vary": "Origin", "Cross-Origin-Resource-Policy": "cross-origin"}
    origin = request.headers.get("origin", "")
    if origin in allowed:
        headers["Access-Control-Allow-Origin"] = origin
    return headers


def _has_it(request: Request, etag: str) -> bool:
    """Whether the reader's copy is this one; a cache may have weakened the tag."""
    given = request.headers.get("if-none-match", "")
    tags = [one.strip().removeprefix("W/") for one in given.split(",")]
    return etag in tags or "*" in tags

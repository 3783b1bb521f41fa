"""Where the status page is written to, and Atlassian's: what is wrong with the policy's words about it.

Works on the parsed file, whatever its shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from urllib.parse import urlsplit

from domain.errors import Problem
from domain.names import nearest
from domain.policy.audiences import Place, default_audiences
from domain.policy.tolerant import Raw, entries, mappings, section, text
from domain.updates import Audience

STATUSPAGE = "statuspage"
_STORE = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9!_.*'()/-]*)?")
_COMPONENT = re.compile(r"[A-Za-z0-9]{4,40}")


def publishing_problems(raw: Raw) -> Iterator[Problem]:
    """Every mistake of `status_page.publish_to` and of what concerns Atlassian Statuspage."""
    page = section(raw, "status_page")
    for where, target in mappings(page, "publish_to", "status_page"):
        yield from _target(target, where)
    yield from _components(raw, section(page, "statuspage_components"))
    yield from _readers(raw)
    yield from _public_places(raw)


def _target(target: Raw, where: str) -> Iterator[Problem]:
    folder, store, endpoint = (target.get(key) for key in ("folder", "store", "endpoint"))
    if bool(folder) == bool(store):
        detail = "a place has either a folder: or a store: such as s3://bucket/prefix"
        yield Problem(where=where, detail=detail)
    if isinstance(store, str) and not _STORE.fullmatch(store):
        detail = f"{store!r} is no s3://bucket or s3://bucket/prefix"
        yield Problem(where=f"{where}.store", detail=detail)
    if isinstance(endpoint, str) and not _is_address(endpoint):
        detail = "expected an https:// address without a user, a path or a query"
        yield Problem(where=f"{where}.endpoint", detail=detail)
    if folder and (endpoint or target.get("region")):
        detail = "endpoint: and region: belong to a store:"
        yield Problem(where=where, detail=detail)


def _is_address(endpoint: str) -> bool:
    try:
        parts = urlsplit(endpoint)
    except ValueError:  # such as a bracket that is never closed
        return False
    is_bare = not (parts.query or parts.fragment or parts.path.strip("/") or "@" in parts.netloc)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and is_bare


def _components(raw: Raw, components: Raw) -> Iterator[Problem]:
    services = list(section(raw, "services"))
    for service, component in components.items():
        where = f"status_page.statuspage_components.{service}"
        if service not in services:
            near = nearest(str(service), [str(name) for name in services])
            yield Problem(where=where, detail=f"unknown service {service!r}", near=near)
        if isinstance(component, str) and not _COMPONENT.fullmatch(component):
            detail = f"{component!r} is no component id such as 8kbf7d35c070"
            yield Problem(where=where, detail=detail)


def _readers(raw: Raw) -> Iterator[Problem]:
    """Nothing internal may stand on a page that everybody reads."""
    inside = (
        (where, audience, "to")
        for where, audience in entries(raw, "audiences")
        if _hears(where, audience) == Audience.INTERNAL.value
    )
    for where, entry, field in chain(
        inside,
        ((at, one, "contacts") for at, one in entries(raw, "people")),
        ((at, one, "to") for at, one in entries(raw, "stakeholders")),
    ):
        for place, contact in mappings(entry, field, where):
            for at, channel in text(contact, "channel", place):
                if channel == STATUSPAGE:
                    detail = "everybody reads it: it is for an audience that hears external updates"
                    yield Problem(where=at, detail=detail)


def _public_places(raw: Raw) -> Iterator[Problem]:
    """What is said inside never reaches the status page, or whoever subscribed to it."""
    for where, audience in entries(raw, "audiences"):
        known = default_audiences().get(where.partition(".")[2])
        shown = [place.value for place in known.places] if known else []
        if _hears(where, audience) != Audience.INTERNAL.value:
            continue
        at = f"{where}.places" if "places" in audience else f"{where}.hears"
        places = audience.get("places", shown)
        for place in places if isinstance(places, list) else ():
            if place in (Place.STATUS_PAGE, Place.SUBSCRIBERS):
                what = str(place).replace("_", " ")
                detail = f"{what}: everybody reads there: it is for an audience that hears external updates"
                yield Problem(where=at, detail=detail)


def _hears(where: str, audience: Raw) -> object:
    known = default_audiences().get(where.partition(".")[2])
    return audience.get("hears", known.hears.value if known else None)

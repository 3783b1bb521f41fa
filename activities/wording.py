"""Words for what leaves: from the templates, and the built-in plain texts for when one fails.

A broken template is a fault that people hear of, never a reason not to send. The built-in texts
therefore take whatever the view holds and cannot fail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.bundling import HandedPage
from domain.checklist import checklist
from domain.messages import Announcement, PageText, Purpose
from domain.priority import OpenIncident, Rank, rank_among
from domain.updates import Audience
from templates.filters import line, plain, short, when
from templates.renderer import (
    Rendered,
    Renderer,
    TemplateFaultError,
    for_the_outside,
    overridable,
)

View = Mapping[str, Any]
_SUBJECT_CHARS = 160
_LISTED = 50
"""Incidents that a message lists; the others are counted."""
_WORDS = ("what", "text", "briefing")
_LISTS = ("duties", "questions")
_WITH_CHECKLIST = ("update_due", "draft", "approve")
"""Reminders of a text that somebody has to write or read."""


def page_text(
    renderer: Renderer,
    incident: View,
    organisation: str,
    rank: Rank | None,
    reason: str,
    late: bool,
) -> tuple[PageText, list[str]]:
    """The text of a page, and the fault of its template."""
    shown = rank.model_dump() | {"sentence": rank.sentence()} if rank else None
    context = {
        "incident": incident,
        "organisation": organisation,
        "rank": shown,
        "reason": reason,
        "late": late,
    }
    done, faults = rendered(renderer, "page", context)
    if done is None:
        return built_in_page(incident, rank, reason, late), faults
    return PageText(subject=done.subject, text=done.text, html=done.html), faults


def rendered(
    renderer: Renderer, folder: str, context: Mapping[str, Any]
) -> tuple[Rendered | None, list[str]]:
    """A message from its templates, from ours where an organisation's own fail; None where both do."""
    try:
        return renderer.render(folder, context), []
    except TemplateFaultError as error:
        ours = renderer.built_in()
        if ours is renderer:
            return None, [f"{error}; sent as plain text"]
        first = str(error)
    try:
        return ours.render(folder, context), [f"{first}; sent with the built-in text"]
    except TemplateFaultError:
        return None, [f"{first}; sent as plain text"]


def built_in_page(incident: View, rank: Rank | None, reason: str, late: bool) -> PageText:
    """A page without any template."""
    place = f"#{rank.position} of {rank.of}" if rank else ""
    head = [
        "LATE" if late else "",
        *(str(incident.get(name) or "") for name in ("id", "severity", "priority")),
        place,
        f"{_service(incident)}: {incident.get('summary') or ''}",
    ]
    subject = short(" ".join(part for part in head if part), _SUBJECT_CHARS)
    lines = [
        subject,
        "",
        f"You are called in: {line(reason)}" if reason else "",
        f"Rank: {rank.sentence()}" if rank else "",
        f"Service: {_service(incident)}",
        f"Summary: {line(incident.get('summary') or '')}",
        line(incident.get("url") or ""),
    ]
    return PageText(subject=subject, text="\n".join(part for part in lines if part) + "\n")


def bundle_text(
    renderer: Renderer,
    organisation: str,
    pages: Sequence[HandedPage],
    standing: Sequence[OpenIncident],
    *,
    is_short: bool,
) -> tuple[PageText, list[str]]:
    """The text of several pages in one message, and the fault of its template.

    Args:
        pages: first in rank first.
        standing: every open incident, as far as known.
        is_short: for a channel that takes few characters.
    """
    listed = list({page.page.incident_id: page for page in pages}.values())
    context = {
        "organisation": organisation,
        "incident": {},
        "count": len(listed),
        "late": any(page.late for page in listed),
        "incidents": [_listed(page, standing) for page in listed[:_LISTED]],
    }
    done, faults = rendered(renderer, "page_bundle", context)
    if done is None:
        return built_in_bundle(context), faults
    if is_short and done.short:
        done = done.model_copy(update={"text": done.short, "html": None})
    return PageText(subject=done.subject, text=done.text, html=done.html), faults


def _listed(handed: HandedPage, standing: Sequence[OpenIncident]) -> dict[str, Any]:
    mine = OpenIncident(
        id=handed.page.incident_id,
        priority=handed.priority,
        severity=handed.page.severity,
        raised_at=handed.raised_at,
    )
    rank = rank_among(mine, standing) if standing else None
    return {
        **mine.model_dump(mode="json", exclude={"summary"}),
        "summary": handed.summary,
        "service_name": handed.service_name,
        "url": handed.url,
        "rank": f"#{rank.position} of {rank.of} open" if rank else "",
    }


def built_in_bundle(context: Mapping[str, Any]) -> PageText:
    """Several pages without any template."""
    listed = context["incidents"]
    named = ", ".join(f"{one['id']} {one['severity']}" for one in listed)
    late = "LATE " if context["late"] else ""
    subject = short(f"{late}{context['count']} incidents wait for you: {named}", _SUBJECT_CHARS)
    lines = [
        f"{one['id']} {one['severity']} {one['priority']} {line(one['summary'])}" for one in listed
    ]
    return PageText(subject=subject, text="\n".join([subject, "", *lines]) + "\n")


def announcement_text(
    renderer: Renderer, incident: View, organisation: str, announcement: Announcement
) -> tuple[Rendered, list[str]]:
    """The text of an announcement, and the fault of its template."""
    folder, _, variant = announcement.template.partition("/")
    context = {
        **({"variant": variant} if variant else {}),
        **announcement.context,
        **_beside_a_draft(incident, announcement),
        "incident": incident,
        "organisation": organisation,
    }
    if announcement.purpose is Purpose.EXTERNAL_UPDATE:
        context = for_the_outside(context)
    done, faults = rendered(renderer, folder, context)
    if done is None and folder not in overridable():
        done, more = rendered(renderer, _usual_frame(announcement.purpose, folder), context)
        faults += more
    return done or built_in_announcement(incident, announcement), faults


def _usual_frame(purpose: Purpose, folder: str) -> str:
    """What an audience hears in while the frame of its own is not there, or is broken."""
    return purpose.value if purpose.value in overridable() else folder


def _beside_a_draft(incident: View, announcement: Announcement) -> dict[str, Any]:
    """The checklist for whoever has to write or read an update."""
    said = announcement.context
    if announcement.template != "reminder" or said.get("topic") not in _WITH_CHECKLIST:
        return {}
    try:
        side = Audience(str(said.get("audience") or ""))
    except ValueError:
        return {}
    items = checklist(incident, str(said.get("text") or ""), side)
    return {"checklist": [item.model_dump() for item in items]}


def built_in_announcement(incident: View, announcement: Announcement) -> Rendered:
    """An announcement without any template. Outside, nothing but the product's name and the text."""
    context = announcement.context
    if announcement.purpose is Purpose.EXTERNAL_UPDATE:
        subject = short(f"Issues with {_service(incident)}", _SUBJECT_CHARS)
        lines = [subject, "", plain(context.get("text") or ""), _next(context)]
        return Rendered(subject=subject, text="\n".join(lines).rstrip() + "\n")
    kind = str(context.get("topic") or context.get("title") or announcement.purpose.value)
    head = [str(incident.get("id") or ""), str(incident.get("severity") or "")]
    summary = incident.get("summary") or ""
    subject = short(" - ".join([*head, kind.replace("_", " "), summary]), _SUBJECT_CHARS)
    if context.get("taken_by"):
        subject = short(f"{' '.join(head)} taken by {context['taken_by']}: {summary}")
    lines = [subject, ""]
    lines += [plain(context[name]) for name in _WORDS if context.get(name)]
    for name in _LISTS:
        listed = context.get(name)
        lines += [f"- {line(item)}" for item in listed] if isinstance(listed, list) else []
    lines += [_next(context), line(incident.get("url") or "")]
    return Rendered(subject=subject, text="\n".join(lines).rstrip() + "\n")


def update_text(
    renderer: Renderer, incident: View, organisation: str, name: str, next_update_at: str | None
) -> tuple[str, list[str]]:
    """One of our own updates (`internal_initial` …), and the fault of its template."""
    context = {
        "incident": incident,
        "organisation": organisation,
        "next_update_at": next_update_at,
    }
    if name.startswith(Audience.EXTERNAL):
        context = for_the_outside(context)
    faults: list[str] = []
    for one in dict.fromkeys((renderer, renderer.built_in())):
        try:
            return one.render_file(f"update_text/{name}.txt.j2", context).strip(), faults
        except TemplateFaultError as error:
            faults = faults or [f"{error}; built-in text used"]
    return built_in_update(incident, name, next_update_at), faults


def built_in_update(incident: View, name: str, next_update_at: str | None) -> str:
    """An initial or final update without any template."""
    product = _service(incident)
    following = f" Next update at {when(next_update_at)}." if next_update_at else ""
    if name == "external_initial":
        return (
            f"We know of a problem with {product} and look into it urgently. "
            f"Its cause, and how many are affected, is not known yet.{following}"
        )
    if name == "external_reopened":
        return f"The problem with {product} is back, and we look into it urgently.{following}"
    if name == "external_final":
        return f"{product} is restored. There are no more updates."
    if name == "internal_final":
        return f"{incident.get('id')} is over. There are no more updates."
    manager = incident.get("incident_manager") or "nobody yet"
    head = " - ".join(str(incident.get(part) or "") for part in ("id", "severity", "summary"))
    return f"{line(head)}\nAffected: {product}\nIncident manager: {manager}.{following}"


def _service(incident: View) -> str:
    return line(incident.get("service_name") or incident.get("service") or "")


def _next(context: Mapping[str, Any]) -> str:
    at = context.get("next_update_at")
    return f"Next update: {when(at)}" if at else ""

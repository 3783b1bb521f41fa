"""`tocsin update --preview`: an update as each of its readers would get it, and nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import typer

from starter.cli.failures import ExitCode
from starter.cli.output import Format, emit
from starter.cli.screen import clean, note, one_line
from starter.cli.session import session
from starter.cli.writing import leave

if TYPE_CHECKING:
    from starter.client import TocsinClient

FORMS = {"text": "text", "chat": "in a room", "short": "short"}
Preview = dict[str, Any]


def show_preview(
    ctx: typer.Context, incident: str, fields: Mapping[str, Any], output: Format
) -> None:
    """Ask what publishing would send, and print it. What would be refused ends with a mistake's code."""

    def ask(client: TocsinClient) -> Preview:
        return client.on_incident(incident, lambda known: client.preview_update(known, fields))

    with session(ctx).client() as client:
        found = ask(client)
    emit(found, output, table=lambda: _print(lines(found)), ids=[found.get("incident", "")])
    note("preview only: nothing was sent")
    leave(ExitCode.USAGE if found.get("refused") else ExitCode.DONE)


def lines(found: Preview) -> Iterator[str]:
    """The preview for people."""
    for why in found.get("refused") or []:
        yield f"WOULD BE REFUSED: {one_line(why)}"
    stage = f", {found['status']}" if found.get("status") else ""
    yield one_line(f"{found.get('audience')} update ({found.get('variant')}{stage})")
    yield ""
    yield "Who hears it"
    yield from _hearers(found)
    for form in found.get("forms") or []:
        yield ""
        yield from _form(form)
    if found.get("lengths"):
        yield ""
        yield "Lengths"
    for one in found.get("lengths") or []:
        fits = "fits" if one["fits"] else "TOO LONG"
        yield f"  {one_line(one['title'])}: {one['length']} of {one['most']} {one['unit']}, {fits}"
    yield ""
    yield "Checklist"
    for item in found.get("checklist") or []:
        yield f"  {_checked(item)}"


def _hearers(found: Preview) -> Iterator[str]:
    for one in found.get("hearers") or []:
        counts = [f"{count} by {one_line(name)}" for name, count in one["contacts"].items()]
        where = [one_line(place).replace("_", " ") for place in one["places"]]
        approval = " - only once a second person approves" if one["needs_approval"] else ""
        yield f"  {one_line(one['name'])}: {', '.join([*where, *counts]) or 'nobody'}{approval}"
    if not found.get("hearers"):
        yield "  nobody"


def _form(form: Mapping[str, Any]) -> Iterator[str]:
    yield f"Message ({one_line(form['template'])})"
    if form.get("fault"):
        yield f"  FAULT: {one_line(form['fault'])}"
    if form.get("subject"):
        yield f"  subject: {one_line(form['subject'])}"
    for name, said in FORMS.items():
        text = form.get(name)
        if text:
            yield f"  {said} ({len(text.strip())} characters):"
            yield from (f"    {line}" for line in clean(text).strip().split("\n"))
    if form.get("html"):
        yield f"  as HTML too: {len(form['html'])} characters (--output json shows them)"


def _checked(item: Mapping[str, Any]) -> str:
    mark = "[x]" if item["found_in_text"] else "[ ]"
    known = f" Known inside: {one_line(item['answer'])}" if item.get("answer") else ""
    missing = "" if known or item["found_in_text"] else " Not known: say so."
    return f"{mark} {one_line(item['question'])}{known}{missing}"


def _print(shown: Iterator[str]) -> None:
    for line in shown:
        print(line.rstrip())

"""Filling in the templates: one folder per message, user text escaped for the sink it goes to.

Ours are filled in here. What an organisation has in its own folder replaces single files; such a message
is filled in by a process of its own, with limits, because a template can be written to run for ever.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from templates.filters import short
from templates.killable import Child
from templates.sandbox import BUILT_IN, Sandbox, TemplateFaultError

__all__ = [
    "BUILT_IN",
    "Rendered",
    "Renderer",
    "TemplateFaultError",
    "examples",
    "for_the_outside",
    "overridable",
]

SUBJECT_CHARS = 200
SHARED = "_shared"
FORMS = {
    "subject": "subject.j2",
    "text": "body.txt.j2",
    "html": "body.html.j2",
    "chat": "chat.txt.j2",
    "short": "short.txt.j2",
}
"""The files of a message, by the field of `Rendered` that they fill."""
NEEDED = ("subject", "text")
SECONDS = 2.0
"""For all files of one message of an organisation's own."""
PAGE_SECONDS = 0.5
"""The same for a page, which waits for nothing: our own text is at hand."""
PUBLIC_FIELDS = ("service_name", "status")
"""All that a text for the outside is given of an incident: nothing that an alert or a colleague wrote."""
HARMLESS = re.compile(r"(?:[^{}]|\{\{ *\w{1,40} *(?:\| *(?:lower|upper|line) *)?\}\}){0,500}")
"""A line that only names things: it needs no process of its own."""


class Rendered(BaseModel):
    """A message ready to send."""

    model_config = ConfigDict(frozen=True)

    subject: str
    text: str
    html: str | None = None
    chat: str | None = None
    """For a room, where the subject stands elsewhere already."""
    short: str | None = None
    """For a text message or a social network."""


class Renderer:
    """Fills in templates.

    Args:
        extra_folders: more folders of our own, looked up first.
        own_folder: an organisation's own templates, looked up before all others and read anew for each
            message. It may hold only the files that differ.
    """

    def __init__(self, extra_folders: Sequence[Path] = (), own_folder: Path | None = None) -> None:
        self._ours = Sandbox([*extra_folders, BUILT_IN])
        self._own_folder = own_folder
        self._child = Child(own_folder)

    def built_in(self) -> Renderer:
        """The same without the organisation's own folder: for when that one fails."""
        if self._own_folder is None:
            return self
        bare = Renderer()
        bare._ours = self._ours
        return bare

    def render(self, folder: str, context: Mapping[str, Any]) -> Rendered:
        """A message in every form that its folder has.

        Raises:
            TemplateFaultError: it is not there, is broken, misses a name, or takes too long.
        """
        files = {form: f"{folder}/{name}" for form, name in FORMS.items()}
        if self._is_own(folder):
            optional = [files[form] for form in FORMS if form not in NEEDED]
            needed = [files[form] for form in NEEDED]
            found = self._child.fill(folder, needed, optional, context, _seconds_of(folder))
            done = {form: found[name] for form, name in files.items() if name in found}
        else:
            done = {
                form: self._ours.fill(name, context)
                for form, name in files.items()
                if form in NEEDED or self._ours.has(name)
            }
        # A form that is left empty is none: whoever sends takes a longer one.
        kept = {form: text for form, text in done.items() if form in NEEDED or text.strip()}
        return Rendered(**{**kept, "subject": short(done["subject"], SUBJECT_CHARS)})

    def render_file(self, name: str, context: Mapping[str, Any]) -> str:
        """One file; what it is escaped for follows from its name: `.html.j2`, `.md.j2`, else text.

        Raises:
            TemplateFaultError: as `render`.
        """
        folder = name.partition("/")[0]
        if self._is_own(folder):
            return self._child.fill(folder, [name], [], context, _seconds_of(folder))[name]
        return self._ours.fill(name, context)

    def render_line(self, source: str, context: Mapping[str, Any]) -> str:
        """A template that stands in the policy itself, such as the name of the room.

        Raises:
            TemplateFaultError: as `render`.
        """
        if HARMLESS.fullmatch(source):
            return self._ours.fill_line(source, context)
        return self._child.fill_line(source, context, SECONDS)

    def close(self) -> None:
        """End the process for an organisation's own templates, where there is one."""
        self._child.close()

    def _is_own(self, folder: str) -> bool:
        """Whether the organisation has any file of this message, or of what all messages share."""
        own = self._own_folder
        if own is None or (folder in _folders() and folder not in overridable()):
            return False
        if not own.is_dir():
            raise TemplateFaultError(f"template {folder}: the folder {own} is not there")
        return (own / folder).is_dir() or (folder in overridable() and (own / SHARED).is_dir())


def for_the_outside(context: Mapping[str, Any]) -> dict[str, Any]:
    """A context without what is internal, whatever a template may ask for."""
    incident = context.get("incident") or {}
    kept = {name: value for name, value in context.items() if name != "by"}
    return kept | {"incident": {name: incident.get(name) for name in PUBLIC_FIELDS}}


@cache
def overridable() -> tuple[str, ...]:
    """The folders of ours whose files an organisation may replace: messages and documents, no pages."""
    return tuple(sorted(file.parent.name for file in BUILT_IN.glob("*/example.json")))


@cache
def _folders() -> frozenset[str]:
    return frozenset(one.name for one in BUILT_IN.iterdir() if one.is_dir())


def _seconds_of(folder: str) -> float:
    return PAGE_SECONDS if folder.startswith("page") else SECONDS


def examples(folder: str) -> list[dict[str, Any]]:
    """Contexts that a folder's templates can be tried with: `example.json` on the example incident."""
    incident = json.loads((BUILT_IN / SHARED / "incident.json").read_text(encoding="utf-8"))
    cases = json.loads((BUILT_IN / folder / "example.json").read_text(encoding="utf-8"))
    return [
        {"organisation": "Example", **case, "incident": incident | case.get("incident", {})}
        for case in (cases if isinstance(cases, list) else [cases])
    ]

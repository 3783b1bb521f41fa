"""Filling in the templates: one folder per message, user text escaped for the sink it goes to.

A template is found by folder, an organisation's own folder before ours. It is sandboxed and strict:
a name that is missing is an error, and whoever sends has a plain text for that case.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, TemplateNotFound
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup
from pydantic import BaseModel, ConfigDict

from templates.filters import FILTERS, line, markdown, plain, short

BUILT_IN = Path(__file__).parent
SUBJECT_CHARS = 200


class TemplateFaultError(Exception):
    """A template that cannot be filled in: its name and why, in one line."""


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
        extra_folders: an organisation's own templates, looked up first. A folder may hold only the
            files that differ.
    """

    def __init__(self, extra_folders: Sequence[Path] = ()) -> None:
        loader = FileSystemLoader([*map(str, extra_folders), str(BUILT_IN)])
        self._loader = loader
        self._text = _environment(loader)
        self._html = _environment(loader, autoescape=True)
        self._markdown = _environment(loader, finalize=_for_markdown)

    def render(self, folder: str, context: Mapping[str, Any]) -> Rendered:
        """Subject, text and, where the folder has one, HTML of a message.

        Raises:
            TemplateFaultError: it is not there, is broken, or misses a name.
        """
        body = f"{folder}/body.html.j2"
        return Rendered(
            subject=short(self.render_file(f"{folder}/subject.j2", context), SUBJECT_CHARS),
            text=self.render_file(f"{folder}/body.txt.j2", context),
            html=self.render_file(body, context) if self._has(body) else None,
        )

    def render_file(self, name: str, context: Mapping[str, Any]) -> str:
        """One file; what it is escaped for follows from its name: `.html.j2`, `.md.j2`, else text.

        Raises:
            TemplateFaultError: as `render`.
        """
        environment = self._text
        if name.endswith(".html.j2"):
            environment = self._html
        elif name.endswith(".md.j2"):
            environment = self._markdown
        return _checked(name, lambda: environment.get_template(name).render(context))

    def render_line(self, source: str, context: Mapping[str, Any]) -> str:
        """A template that stands in the policy itself, such as the name of the room.

        Raises:
            TemplateFaultError: as `render`.
        """
        return line(_checked(source, lambda: self._text.from_string(source).render(context)))

    def _has(self, name: str) -> bool:
        try:
            self._loader.get_source(self._html, name)
        except TemplateNotFound:
            return False
        return True


def examples(folder: str) -> list[dict[str, Any]]:
    """Contexts that a folder's templates can be tried with: `example.json` on the example incident."""
    incident = json.loads((BUILT_IN / "_shared" / "incident.json").read_text(encoding="utf-8"))
    cases = json.loads((BUILT_IN / folder / "example.json").read_text(encoding="utf-8"))
    return [
        {"organisation": "Example", **case, "incident": incident | case.get("incident", {})}
        for case in (cases if isinstance(cases, list) else [cases])
    ]


def _environment(loader: FileSystemLoader, **options: Any) -> SandboxedEnvironment:
    environment = SandboxedEnvironment(
        loader=loader,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        **options,
    )
    environment.filters.update(FILTERS)
    return environment


def _for_markdown(value: Any) -> Any:
    """Escape whatever a template for Markdown puts out, but what a filter has escaped already."""
    return value if isinstance(value, Markup) else markdown(value)


def _checked(name: str, render: Callable[[], str]) -> str:
    try:
        return re.sub(r"\n{3,}", "\n\n", plain(render())).strip() + "\n"
    except Exception as error:  # a template is code of its own: it may raise anything
        why = short(f"{type(error).__name__}: {error}", 200)
        raise TemplateFaultError(f"template {short(name, 80)}: {why}") from error

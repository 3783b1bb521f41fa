"""A postmortem as a document, by the templates in `templates/postmortem/`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domain.timeline import Entry
from templates.renderer import Renderer

CONTENT_TYPES = {"md": "text/markdown; charset=utf-8", "html": "text/html; charset=utf-8"}


def export(
    view: dict[str, Any],
    entries: Sequence[Entry],
    fmt: str,
    renderer: Renderer,
    organisation: str = "",
) -> str:
    """Fill in the document.

    Args:
        view: the postmortem as the API shows it; it holds the incident.
        entries: the incident's timeline.
        fmt: `md` or `html`.

    Raises:
        TemplateFaultError: an organisation's own template is broken.
    """
    context = {
        "organisation": view.get("organisation") or organisation,
        "postmortem": view,
        "incident": view.get("incident") or {},
        "timeline": [entry.model_dump(mode="json") for entry in entries],
    }
    return renderer.render_file(f"postmortem/document.{fmt}.j2", context)

"""The postmortem as a document, and the first draft of its fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from templates.renderer import Renderer, TemplateFaultError

FOLDER = "postmortem"
DRAFTED = ("summary", "leadup", "impact", "detection", "response", "recovery")
"""Fields that can be drafted from the timeline; the causes are for people."""


def draft_fields(
    renderer: Renderer, incident: Mapping[str, Any], timeline: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, str], list[str]]:
    """A draft of each field that the timeline can tell, and what could not be drafted."""
    context = {"incident": incident, "timeline": timeline, "organisation": ""}
    fields: dict[str, str] = {}
    faults: list[str] = []
    for name in DRAFTED:
        try:
            text = renderer.render_file(f"{FOLDER}/draft/{name}.txt.j2", context).strip()
        except TemplateFaultError as error:
            faults.append(str(error))
            continue
        if text:
            fields[name] = text
    return fields, faults


def postmortem_document(
    renderer: Renderer,
    postmortem: Mapping[str, Any],
    timeline: Sequence[Mapping[str, Any]],
    suffix: str,
) -> str:
    """The whole document.

    Args:
        postmortem: its view, which holds the incident's under `incident`.
        timeline: the incident's facts, oldest first.
        suffix: `md` or `html`.

    Raises:
        TemplateFaultError: the template is broken.
    """
    context = {
        "postmortem": postmortem,
        "incident": postmortem["incident"],
        "timeline": timeline,
        "organisation": postmortem.get("organisation", ""),
    }
    return renderer.render_file(f"{FOLDER}/document.{suffix}.j2", context)

"""Words of a page that is sent past the orchestrator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domain.messages import PageText
from templates.filters import line, short
from templates.renderer import Renderer, TemplateFaultError

WORDS = "orchestrator down, possible duplicate"


def direct_text(
    renderer: Renderer, organisation: str, services: Sequence[dict[str, Any]], *, nobody: bool
) -> PageText:
    """The text of one person's page about some services.

    Args:
        nobody: it is for whoever runs Tocsin, for nobody could be paged.
    """
    context = {
        "organisation": organisation, "incident": {}, "services": list(services), "nobody": nobody
    }  # fmt: skip
    try:
        done = renderer.render("page_directly", context)
    except TemplateFaultError:
        return _built_in(services)
    return PageText(subject=done.subject, text=done.text, html=done.html)


def _built_in(services: Sequence[dict[str, Any]]) -> PageText:
    """The page without any template."""
    names = ", ".join(line(one["service"]) for one in services)
    subject = short(f"{WORDS.upper()}: {names}")
    lines = [
        f"- {line(one['service'])}: {short(alert['summary'])}"
        for one in services
        for alert in one["alerts"][:10]
    ]
    return PageText(subject=subject, text="\n".join([subject, "", *lines]) + "\n")

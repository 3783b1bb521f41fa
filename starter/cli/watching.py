"""`tocsin watch`: look once a second and show what changed."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from starter.cli.output import Format, as_json, as_yaml
from starter.cli.screen import console, note

if TYPE_CHECKING:
    from rich.live import Live

    from starter.client import TocsinClient

EVERY_SECONDS = 1.0
OVER = ("closed", "cancelled")


def follow(client: TocsinClient, view: dict[str, Any], output: Format) -> None:
    """Show the incident, again after each change, until nothing more can happen.

    An API that is away for a while does not end it: the last view stays, and stderr says so.
    """
    if output is Format.TABLE and sys.stdout.isatty():
        _on_screen(client, view)
        return
    shown: dict[str, Any] | None = None
    while True:
        if view != shown:
            _print(view, output)
            shown = view
        if view.get("status") in OVER:
            return
        view = _next(client, view)[0]


def _on_screen(client: TocsinClient, view: dict[str, Any]) -> None:
    """One card that stays in place; its clocks go on though nothing changes."""
    from rich.live import Live

    with Live(console=console(), auto_refresh=False, vertical_overflow="ellipsis") as live:
        _refresh(live, view, "")
        while view.get("status") not in OVER:
            view, trouble = _next(client, view, is_quiet=True)
            _refresh(live, view, trouble)


def _refresh(live: Live, view: dict[str, Any], trouble: str) -> None:
    from starter.cli.card import card

    live.update(card(view, [], trouble=trouble), refresh=True)


def _next(
    client: TocsinClient, view: dict[str, Any], *, is_quiet: bool = False
) -> tuple[dict[str, Any], str]:
    """The incident a second later, or as it was, with what is wrong."""
    from starter.client import ApiError, UnreachableError

    time.sleep(EVERY_SECONDS)
    try:
        return client.incident(view["id"]), ""
    except UnreachableError as error:
        trouble = str(error)
    except ApiError as error:
        if error.status < 500:
            raise
        trouble = str(error)
    if not is_quiet:
        note(f"warning: {trouble}; looking again")
    return view, trouble


def _print(view: dict[str, Any], output: Format) -> None:
    if output is Format.JSON:
        print(as_json(view, indent=None), flush=True)
    elif output is Format.YAML:
        print("---\n" + as_yaml(view), end="", flush=True)
    elif output is Format.ID:
        print(view["id"], flush=True)
    else:
        from starter.cli.card import show_card

        show_card(view, [])
        sys.stdout.flush()

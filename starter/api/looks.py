"""How pages for people look, and the headers with them: their own style, nothing foreign, no script."""

from __future__ import annotations

import base64
import hashlib
from typing import NamedTuple

from starter.api.services import PAGES


class Looks(NamedTuple):
    """What a kind of page is shown with."""

    style: str
    headers: dict[str, str]


def looks(*more: str, has_form: bool = False, has_secret_address: bool = False) -> Looks:
    """The looks of a page: the common style and its own.

    Args:
        more: style files beside the common one, in `pages/`.
        has_form: whether it may send a form, to this very server.
        has_secret_address: a token stands in its address, which no other site may learn.
    """
    files = ("style.css", *more)
    style = "\n".join((PAGES / name).read_text(encoding="utf-8").strip() for name in files)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    target = "'self'" if has_form else "'none'"
    headers = {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; "
            f"form-action {target}; frame-ancestors 'none'"
        ),
        "Cache-Control": "no-store",
        "X-Robots-Tag": "noindex",
    }
    if has_secret_address:
        headers["Referrer-Policy"] = "no-referrer"
    return Looks(style, headers)

"""The alert formats that Tocsin takes. One file per format, one line here.

From the line follow the route `/hooks/<format>` and the row in the README's table; a test fails where a
format has no example payload.
"""

from __future__ import annotations

from starter.intake import alertmanager
from starter.intake.formats import Format

FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        alertmanager.FORMAT,
    )
}  # fmt: skip

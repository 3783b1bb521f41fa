"""Nearest names: what a person probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from domain.errors import UnknownNameError

LONGEST_NAME = 200
"""What is longer is no misspelt name, and comparing a megabyte takes seconds."""


def nearest(name: str, known: Iterable[str], limit: int = 3) -> tuple[str, ...]:
    """The known names that look most like `name`, best first; empty when none comes close."""
    if len(name) > LONGEST_NAME:
        return ()
    by_lower = {candidate.lower(): candidate for candidate in known}
    hits = difflib.get_close_matches(str(name).lower(), list(by_lower), n=limit, cutoff=0.5)
    return tuple(by_lower[hit] for hit in hits)


def require_known(kind: str, name: str, known: Iterable[str], field: str = "") -> None:
    """Pass when `name` is known.

    Raises:
        UnknownNameError: with the near matches.
    """
    names = list(known)
    if name not in names:
        raise UnknownNameError(kind, name, nearest(name, names), field or kind)

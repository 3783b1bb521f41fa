"""Ids that no other process and no other moment has. Cheap: in a storm each request needs two."""

from __future__ import annotations

import itertools
import uuid

_PROCESS = uuid.uuid4().hex
_numbers = itertools.count(1)


def unique_id() -> str:
    """A new id; not a secret, for the next one can be guessed."""
    return f"{_PROCESS}-{next(_numbers):x}"

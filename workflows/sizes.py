"""What fits into a payload. Temporal takes none over 2 MB; a workflow that offers one is stuck for good."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from domain.aggregate import Aggregate
    from domain.errors import CommandError, Problem
    from domain.timeline import Entry

RECORD_CHUNK = 200
RECORD_BYTES = 500_000
"""Facts, and bytes of facts, in one write to the records."""
CARRIED_BYTES = 1_000_000
"""With more than this not yet recorded, rolling over waits for the records."""
SHOWN_BYTES = 1_500_000
"""The latest facts that a query answers; older ones are read from the records."""
STATE_BYTES = 1_000_000
LONG_TEXT = 1_024
"""A state larger than the one takes no command larger than the other."""
MAX_ACTOR_CHARS = 200


def size_of(entry: Entry) -> int:
    """Bytes of a fact in a payload."""
    return len(entry.model_dump_json().encode())


def next_to_record(unrecorded: Sequence[Entry]) -> list[Entry]:
    """The oldest facts that go into one write, at least one."""
    return _fitting(unrecorded[:RECORD_CHUNK], RECORD_BYTES)


def latest(timeline: Sequence[Entry]) -> list[dict[str, Any]]:
    """The newest facts that go into one answer, oldest first."""
    shown = _fitting(reversed(timeline), SHOWN_BYTES)
    return [entry.model_dump(mode="json") for entry in reversed(shown)]


def require_room(name: str, body: Any, subject: Aggregate) -> None:
    """Refuse a long command once the state is large.

    Raises:
        CommandError: it is.
    """
    if len(str(body)) > LONG_TEXT and len(subject.model_dump_json().encode()) > STATE_BYTES:
        why = f"more than {STATE_BYTES} bytes are written down already: link a document instead"
        raise CommandError(name, [Problem(where="", detail=why)])


def _fitting(entries: Iterable[Entry], limit: int) -> list[Entry]:
    fitting: list[Entry] = []
    size = 0
    for entry in entries:
        size += size_of(entry)
        if fitting and size > limit:
            break
        fitting.append(entry)
    return fitting

"""Batches of the journal that go to a desk together, under one key."""

from __future__ import annotations

import json
from collections import deque
from itertools import islice
from typing import NamedTuple

import structlog
from pydantic import ValidationError

from domain.alert import Alert
from starter.reception.journal_files import Entry
from starter.reception.segments import set_aside

GROUP_ALERTS, GROUP_BYTES = 100, 150_000
"""What is delivered together, as `group_commit.py` does it."""

log = structlog.get_logger(__name__)


class Group(NamedTuple):
    """Batches of one service that go to its desk together."""

    service: str
    key: str
    entries: list[Entry]


def group_key(first: Entry) -> str:
    """Under which key the group of a batch goes."""
    if len(first.group) == 1:
        return first.key
    return f"journal/{first.segment.name}/{first.group[0]}+{len(first.group)}"


def together(queue: deque[Entry]) -> list[Entry]:
    """The first and what may go with it: nothing that was sent before, for that keeps its key."""
    first = queue[0]
    entries, alerts, size = [first], first.count, first.length
    for entry in islice(queue, 1, GROUP_ALERTS):
        alerts, size = alerts + entry.count, size + entry.length
        is_alone = entry.sent_as or entry.group or entry.segment is not first.segment
        if is_alone or alerts > GROUP_ALERTS or size > GROUP_BYTES:
            break
        entries.append(entry)
    return entries


def read_group(group: Group) -> list[Alert]:
    """The alerts of a group, each with who was paged about it directly. Blocks.

    What cannot be understood is set aside and said; it is no reason to keep the others.

    Raises:
        OSError: something cannot be read, or not set aside.
    """
    found: list[Alert] = []
    for entry in group.entries:
        record = entry.segment.read(entry.offset, entry.length)
        for plain in record["alerts"] if record else ():
            try:
                alert = Alert.model_validate(plain)
            except ValidationError as error:
                wrong = [".".join(map(str, one["loc"])) for one in error.errors()]
                log.error("journal.alert_unreadable", segment=entry.segment.name, wrong=wrong)  # noqa: TRY400
                set_aside(entry.segment.path, entry.offset, json.dumps(plain).encode())
                continue
            said = entry.said.get(alert.key)
            found.append(alert.model_copy(update={"paged_directly": said}) if said else alert)
    return found

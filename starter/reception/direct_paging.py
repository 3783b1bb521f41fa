"""The last resort: whoever is on call is paged past the orchestrator when a critical alert waits too long.

The page is made by a process of its own (`worker.py page-directly`), which needs neither Temporal nor the
records nor a worker: the policy and the roster's copy on disk say whom. What it answers travels with the
alert, so that the incident says later who was paged.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from domain.alert import AlertStatus
from starter.reception.journal import Journal
from starter.reception.journal_files import Entry

AGAIN_SECONDS = 300.0
"""Between two pages about the same alerts, as long as they wait."""
AFTER_FAILURE_SECONDS = 30.0
"""Until the next attempt where the process that pages did not come to its end."""
PROCESS_SECONDS = 110.0
"""Four people after each other over contacts that hang; somebody who can be reached is so in seconds."""
HOLD_SECONDS = 15.0
"""How long alerts wait to be delivered for what is said of the page that is under way."""
WATCHED = 1_000
"""Critical alerts of a service that are told apart; of more the page says no more than of so many."""
LISTED = 50
"""Alerts of a service that are handed over; the others are counted."""
WORKER = Path(__file__).resolve().parents[2] / "worker.py"
log = structlog.get_logger(__name__)

Page = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""Pages directly: takes `{"services": [...]}`, answers `{"said": {service: [sentence, ...]}}`."""


@dataclass
class _Critical:
    """An alert of the worst severity that fires and waits."""

    entry: Entry
    alert: Mapping[str, Any]


class DirectPaging:
    """Watches what waits in the journal.

    Args:
        after_seconds: how long a critical alert waits before somebody is paged directly.
        is_critical: whether an alert, as plain data, is of the worst severity.
        now: seconds since the epoch.
    """

    def __init__(
        self,
        page: Page,
        is_critical: Callable[[Mapping[str, Any]], bool],
        after_seconds: float,
        again_seconds: float = AGAIN_SECONDS,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._page, self._is_critical, self._now = page, is_critical, now
        self._after, self._again = after_seconds, again_seconds
        self._waiting: dict[str, dict[str, _Critical]] = {}
        self._busy: dict[str, float] = {}
        """Until when to wait, by service."""
        self._not_before = 0.0
        self.paged = self.failed = 0
        """Services that somebody was paged about, and attempts that failed, since this process began."""

    def heard(self, entry: Entry, alerts: Sequence[Mapping[str, Any]]) -> None:
        """A batch has come into the journal."""
        for alert in alerts:
            if alert.get("status") == AlertStatus.RESOLVED:
                self._waiting.get(entry.service, {}).pop(str(alert.get("key")), None)
            elif alert.get("status") == AlertStatus.FIRING and self._is_critical(alert):
                critical = self._waiting.setdefault(entry.service, {})
                if len(critical) < WATCHED:
                    critical.setdefault(str(alert.get("key")), _Critical(entry, alert))

    def is_busy(self, service: str) -> bool:
        """Somebody is being paged about it at this moment: its alerts wait for what to say of that."""
        return self._now() < self._busy.get(service, 0.0)

    def is_urgent(self, service: str) -> bool:
        return service in self._waiting

    async def look(self, journal: Journal) -> None:
        """Page about everything that has waited too long. Called again and again."""
        due = self._due()
        if not due:
            return
        request = {"services": [self._of_service(name, found) for name, found in due.items()]}
        self._busy = dict.fromkeys(due, self._now() + HOLD_SECONDS)
        try:
            answer = await self._page(request)
            said = {str(name): [str(s) for s in found] for name, found in answer["said"].items()}
        except Exception as error:
            self.failed += 1
            self._not_before = self._now() + AFTER_FAILURE_SECONDS
            log.exception("paging.directly_failed", services=sorted(due))
            journal.error = f"nobody could be paged directly about {', '.join(due)}: {error}"[:300]
        else:
            self.paged += len(due)
            log.warning("paging.directly", said=said)
            await journal.note_paged(_notes(due, said))
        finally:
            self._busy = {}

    def _due(self) -> dict[str, dict[str, _Critical]]:
        now = self._now()
        self._forget_delivered()
        if now < self._not_before:
            return {}
        return {
            service: waiting
            for service, waiting in self._waiting.items()
            if self._is_due(waiting, now)
        }

    def _is_due(self, waiting: dict[str, _Critical], now: float) -> bool:
        """New alerts of a service that somebody was just paged about wait as long as the first did."""
        last = max(one.entry.paged_at for one in waiting.values())
        is_new = any(
            not one.entry.paged_at and now - one.entry.at >= self._after for one in waiting.values()
        )
        return now - last >= (self._after if is_new else self._again) and (is_new or last > 0)

    def _forget_delivered(self) -> None:
        for service, waiting in list(self._waiting.items()):
            left = {key: one for key, one in waiting.items() if not one.entry.is_settled}
            if left:
                self._waiting[service] = left
            else:
                del self._waiting[service]

    def _of_service(self, service: str, waiting: dict[str, _Critical]) -> dict[str, Any]:
        first = min(waiting.values(), key=lambda one: one.entry.at)
        return {
            "service": service,
            "key": first.entry.key,
            "round": 1 + max(one.entry.rounds for one in waiting.values()),
            "count": len(waiting),
            "since": first.entry.at,
            "alerts": [dict(one.alert) for one in list(waiting.values())[:LISTED]],
        }


def _notes(
    due: dict[str, dict[str, _Critical]], said: dict[str, list[str]]
) -> Iterator[tuple[Entry, dict[str, list[str]]]]:
    """Each batch with what is to be said of its alerts."""
    for service, waiting in due.items():
        by_entry: dict[int, tuple[Entry, dict[str, list[str]]]] = {}
        for key, one in waiting.items():
            _, words = by_entry.setdefault(id(one.entry), (one.entry, {}))
            words[key] = said.get(service, [])
        yield from by_entry.values()


async def page_by_process(request: dict[str, Any]) -> dict[str, Any]:
    """Run the process that pages, with the request on its stdin and the answer on its stdout.

    Raises:
        RuntimeError: it failed; what it logged stands in this process's log.
        TimeoutError: it did not end in time.
        ValueError: what it said is no JSON.
    """
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", str(WORKER), "page-directly", stdin=pipe, stdout=pipe
    )
    try:
        async with asyncio.timeout(PROCESS_SECONDS):
            out, _ = await process.communicate(json.dumps(request).encode())
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode != 0:
        raise RuntimeError(f"page-directly ended with {process.returncode}; the API's log has why")
    answer: dict[str, Any] = json.loads(out)
    return answer

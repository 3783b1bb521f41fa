"""Durable before 2xx: group commit, journal, drainer and last resort, put together for one process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from domain.alert import Alert, AlertStatus
from domain.errors import PolicyError
from records.policy_store import PolicyStore
from starter.reception.direct_paging import DirectPaging, Page, page_by_process
from starter.reception.draining import Drainer
from starter.reception.group_commit import GroupCommit
from starter.reception.journal import Journal, Standing
from starter.reception.journal_files import JournalFiles
from starter.reception.keeping import FirstAlerts, Keeping, Outage, Report

LOOK_SECONDS = 1.0
"""Between two looks at who has to be paged directly."""
ADOPT_SECONDS = 2.0
"""Between two looks for what dead processes have left."""
POLICY_SECONDS = 1.0
"""Between two looks at what the worst severity is: it is asked for every alert of a journal."""
log = structlog.get_logger(__name__)


class Durable:
    """What the door hands its alerts to.

    Args:
        report: hands a batch to Temporal.
        policies: tell what the worst severity is.
        files: the journal's folder.
        fallback_after: how long a critical alert waits before somebody is paged directly. Units: seconds.
    """

    def __init__(
        self,
        report: Report,
        policies: PolicyStore,
        files: JournalFiles,
        fallback_after: float,
        page: Page = page_by_process,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._policies = policies
        self.direct = DirectPaging(page, self._is_critical, fallback_after, now=now)
        self.journal = Journal(files, self.direct.heard, now)
        outage = Outage()
        self._drainer = Drainer(
            self.journal, report, outage, self.direct.is_busy, self.direct.is_urgent
        )
        keeping = Keeping(report, self.journal, outage, self._is_urgent, self._drainer.wake)
        self.commit = GroupCommit(keeping.send)
        self._firsts = FirstAlerts(self.commit.deliver, keeping.keep, self._is_urgent)
        self._watching: asyncio.Task[None] | None = None
        self._looked = -POLICY_SECONDS
        self._worst: tuple[str, str] | None = None
        """The worst severity, and the one of an alert that says none."""

    async def deliver(self, service: str, alerts: Sequence[Alert]) -> None:
        """Return when all of them are durable.

        Raises:
            TooManyWaitingError: more are under way than this process takes.
            NotKeptError: neither Temporal nor the journal took them.
            Exception: what else kept Temporal from taking them; some may be durable.
        """
        await self._firsts.deliver(service, alerts)

    async def start(self) -> None:
        """Take over what an earlier process has left, and watch."""
        await self._adopt()
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Stop. What waits is on disk."""
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None
        self._drainer.close()
        await self.journal.close()

    def standing(self) -> Standing:
        return self.journal.standing()

    async def _adopt(self) -> None:
        count = await self.journal.adopt()
        if count:
            log.warning("journal.adopted", batches=count)
        if not self.journal.is_empty():
            self._drainer.wake()

    async def _watch(self) -> None:
        looked = time.monotonic()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                if time.monotonic() - looked >= ADOPT_SECONDS:
                    looked = time.monotonic()
                    await self._adopt()
                await self.direct.look(self.journal)
            except Exception:
                # Whatever it was: the next look may be the one that pages somebody.
                log.exception("journal.watch_failed")

    def _is_urgent(self, alert: Alert) -> bool:
        return alert.status is AlertStatus.FIRING and self._is_worst(alert.severity)

    def _is_critical(self, alert: Mapping[str, Any]) -> bool:
        return self._is_worst(alert.get("severity"))

    def _is_worst(self, severity: str | None) -> bool:
        """Whether it is the worst of the policy; without a policy to ask, everything is."""
        now = time.monotonic()
        if now - self._looked >= POLICY_SECONDS:
            self._looked = now
            try:
                _, policy = self._policies.current()
            except PolicyError:
                self._worst = None
            else:
                self._worst = (next(iter(policy.severities)), policy.organisation.default_severity)
        if self._worst is None:
            return True
        worst, usual = self._worst
        return (severity or usual) == worst

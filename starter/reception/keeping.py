"""Where an alert is durable: with Temporal, or in the journal while Temporal is away.

Temporal's absence is noticed once. From then on alerts go to the journal without asking, while the
drainer asks for all of them; and what is behind something in the journal goes there too, so that no
alert of a service overtakes another.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import structlog

from domain.alert import Alert, AlertStatus
from starter.reception.group_commit import MAX_ALERTS, MAX_BYTES, TooManyWaitingError
from starter.reception.journal import Journal
from starter.temporal_link import GatewayUnavailableError, NotAnsweredError, RefusedError
from starter.unique import unique_id

KEYS_SEEN = 50_000
"""Alert keys that this process remembers, to tell a first alert from a repeat."""
FAILURES = (GatewayUnavailableError, NotAnsweredError, RefusedError)
"""What leaves an alert undelivered that will be taken later."""

Report = Callable[[str, Sequence[Alert], str], Awaitable[None]]
"""Hands a batch to a service's desk under a key; returns when Temporal has it."""
log = structlog.get_logger(__name__)


class Outage:
    """Whether Temporal is thought to be away."""

    def __init__(self) -> None:
        self.is_on = False

    def begin(self, why: str) -> None:
        if not self.is_on:
            log.warning("temporal.away", why=why, then="alerts are kept in the journal")
        self.is_on = True

    def end(self) -> None:
        if self.is_on:
            log.info("temporal.back")
        self.is_on = False


class Keeping:
    """Makes batches durable.

    Args:
        report: hands one to Temporal.
        judge: whether an alert is one that fires with the worst severity.
        wake: told when the journal has got something to deliver.
    """

    def __init__(
        self,
        report: Report,
        journal: Journal,
        outage: Outage,
        judge: Callable[[Alert], bool],
        wake: Callable[[], None],
    ) -> None:
        self._report, self._journal, self._outage = report, journal, outage
        self._judge, self._wake = judge, wake

    async def send(self, service: str, alerts: Sequence[Alert]) -> None:
        """Return when a batch is durable. Called for one batch of a service at a time.

        Raises:
            NotKeptError: neither Temporal nor the journal took it.
        """
        key = None
        is_away = self._outage.is_on and not self._journal.is_idle()
        if not is_away and not self._journal.holds(service):
            key = unique_id()
            try:
                await self._report(service, alerts, key)
            except FAILURES as error:
                if not isinstance(error, RefusedError):  # that one is the answer of a desk
                    self._outage.begin(str(error))
                log.warning("alerts.not_taken", service=service, why=str(error))
            else:
                if self._outage.is_on:
                    self._outage.end()
                return
        await self.keep(service, alerts, key)

    async def keep(self, service: str, alerts: Sequence[Alert], sent_as: str | None = None) -> None:
        """Return when a batch is in the journal.

        Args:
            sent_as: the key under which Temporal may have taken it.

        Raises:
            NotKeptError: the journal is full, or its disk takes nothing.
        """
        is_first = self._journal.is_empty()
        is_urgent = any(self._judge(alert) for alert in alerts)
        # What was sent goes again as it was; what comes past the group commit may be more than a desk takes.
        for some in [alerts] if sent_as else _batches(alerts):
            await self._journal.keep(service, some, sent_as, is_urgent=is_urgent)
        if is_first:
            log.warning("journal.began", service=service, alerts=len(alerts))
        self._wake()


def _batches(alerts: Sequence[Alert]) -> list[list[Alert]]:
    """Alerts in batches of a size that a desk takes."""
    batches: list[list[Alert]] = []
    room = size = 0
    for alert in alerts:
        if not room or size + alert.size > MAX_BYTES:
            batches.append([])
            room, size = MAX_ALERTS, 0
        batches[-1].append(alert)
        room, size = room - 1, size + alert.size
    return batches


class FirstAlerts:
    """Passes alerts on, and keeps a first critical one even where there is no room for more.

    Args:
        deliver: returns when alerts are durable; raises `TooManyWaitingError` where too many wait.
        keep: has them in the journal.
        judge: whether an alert is one that fires with the worst severity.
    """

    def __init__(
        self,
        deliver: Callable[[str, Sequence[Alert]], Awaitable[None]],
        keep: Callable[[str, Sequence[Alert]], Awaitable[None]],
        judge: Callable[[Alert], bool],
    ) -> None:
        self._deliver, self._keep, self._judge = deliver, keep, judge
        self._seen: dict[tuple[str, str], None] = {}

    async def deliver(self, service: str, alerts: Sequence[Alert]) -> None:
        """Return when all of them are durable.

        Raises:
            TooManyWaitingError: only what is urgent and new was kept.
            Exception: what making them durable raised.
        """
        try:
            await self._deliver(service, alerts)
        except TooManyWaitingError:
            firsts = [alert for alert in alerts if self._is_first(alert)]
            if firsts:
                await self._keep(service, firsts)
                self._remember(firsts)
            if len(firsts) < len(alerts):
                raise
        else:
            self._remember(alerts)

    def _is_first(self, alert: Alert) -> bool:
        return (alert.service, alert.key) not in self._seen and self._judge(alert)

    def _remember(self, alerts: Sequence[Alert]) -> None:
        for alert in alerts:
            if alert.status is AlertStatus.FIRING:
                self._seen[alert.service, alert.key] = None
            else:  # when it fires again that is news
                self._seen.pop((alert.service, alert.key), None)
        while len(self._seen) > KEYS_SEEN:
            del self._seen[next(iter(self._seen))]

"""Whether a request of a known sender is taken now: signed where it must be, not a repeat, not too often."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from domain.alert import Alert, AlertStatus
from domain.policy.intake import Rate
from starter.intake.formats import ForgedError, Format
from starter.intake.mapping import Sender
from starter.intake.received import Received
from starter.reception.limits import Limits
from starter.reception.replays import Replays
from starter.security import resolve_key
from starter.signatures import digest, watching_skew

MAX_CRITICAL = 20_000
"""Alerts of the worst severity that are known to be kept; whatever came longest ago is forgotten first."""
USUAL_RATE = Rate()


class RateLimitedError(Exception):
    """More than a sender may bring at once; nothing of it was taken.

    Args:
        seconds: when it may come again.
    """

    def __init__(self, integration: str, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(
            f"integration {integration} sends more than its `rate` allows: send it again"
        )


class CriticalKeys:
    """Alerts of the worst severity that have been kept: the first of a key is never turned away."""

    def __init__(self, max_keys: int = MAX_CRITICAL) -> None:
        self._max = max_keys
        self._keys: OrderedDict[tuple[str, str], None] = OrderedDict()

    def has_first(self, alerts: Iterable[Alert], sender: Sender) -> bool:
        """Whether one of them is critical, fires, and is not known to be kept."""
        return any(
            is_critical(alert, sender) and (alert.integration, alert.key) not in self._keys
            for alert in alerts
        )

    def kept(self, alerts: Iterable[Alert], sender: Sender) -> None:
        """They are durable; one that has cleared is a first again when it fires next."""
        for alert in alerts:
            name = (alert.integration, alert.key)
            if alert.status is AlertStatus.RESOLVED:
                self._keys.pop(name, None)
            elif is_critical(alert, sender):
                self._keys[name] = None
                self._keys.move_to_end(name)
        while len(self._keys) > self._max:
            self._keys.popitem(last=False)


def is_critical(alert: Alert, sender: Sender) -> bool:
    """Whether it fires with the worst severity of the policy, its default taken for one without."""
    severity = alert.severity or sender.policy.organisation.default_severity
    return alert.status is AlertStatus.FIRING and severity == next(iter(sender.policy.severities))


class Admission:
    """Asked by the door for each request.

    Args:
        environ: where signing secrets that the policy refers to as `env:NAME` are found.
        on_skew: told the format of a sender whose clock is notably off.
        on_repeat: told the format of a delivery that came again.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        replays: Replays | None = None,
        limits: Limits | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_skew: Callable[[str], None] = lambda _: None,
        on_repeat: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._environ, self._now = environ, now
        self._replays, self._limits = replays or Replays(), limits or Limits()
        self._critical = CriticalKeys()
        self._on_skew, self._on_repeat = on_skew, on_repeat

    def check_signature(self, one: Format, sender: Sender, received: Received) -> None:
        """Raise ForgedError where the integration wants signatures and this is none."""
        integration = sender.policy.integrations.get(sender.integration)
        if integration is None or integration.signing_secret is None:
            return
        secret = resolve_key(integration.signing_secret, self._environ)
        if not secret or one.verify is None:
            raise ForgedError("its signature cannot be checked")  # closed rather than open
        with watching_skew() as skew:
            is_signed = one.verify(received, secret, self._now())
        # A stranger's clock says nothing, but an honest one that is 301 s off is refused for just that.
        if skew.is_notable:
            self._on_skew(one.name)
        if not is_signed:
            raise ForgedError("not signed, or too long ago")

    def check_rate(self, sender: Sender, alerts: list[Alert]) -> None:
        """Raise RateLimitedError where it comes too often and holds no first critical alert."""
        integration = sender.policy.integrations.get(sender.integration)
        rate = USUAL_RATE if integration is None or integration.rate is None else integration.rate
        wait = self._limits.sender(sender.integration, rate.per_minute, rate.burst)
        if wait and not self._critical.has_first(alerts, sender):
            raise RateLimitedError(sender.integration, wait)

    @asynccontextmanager
    async def once(self, one: Format, sender: Sender, received: Received) -> AsyncIterator[bool]:
        """Whether a delivery comes for the first time; leaving without an error remembers it."""
        delivery_id = one.delivery_id(received) if one.delivery_id is not None else None
        if not delivery_id:
            yield True
            return
        # The body belongs to it: a sender that gives everything the same id must not lose its alerts.
        name = f"{delivery_id}\0{digest(received.body)}"
        async with self._replays.once(sender.integration, name, self._now().timestamp()) as first:
            if not first:
                self._on_repeat(one.name)
            yield first

    def kept(self, sender: Sender, alerts: list[Alert]) -> None:
        """Its alerts are durable."""
        self._critical.kept(alerts, sender)

    def close(self) -> None:
        """Let go of the file."""
        self._replays.close()

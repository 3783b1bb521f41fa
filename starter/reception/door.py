"""From a request at the door to alerts that are durable: who sent it, what it says, where it goes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

from domain.alert import Alert
from records.policy_store import PolicyStore
from starter.intake import FORMATS
from starter.intake.mapping import Sender
from starter.intake.received import Received
from starter.reception.admission import Admission
from starter.security import bearer, closed_integrations, password, resolve_key, same


class Delivers(Protocol):
    """Makes alerts of one service durable; `Durable` and `GroupCommit` are two."""

    async def deliver(self, service: str, alerts: Sequence[Alert]) -> None:
        """Return when all of them are durable. Raises where that is not known."""
        ...


class Reception:
    """Takes payloads for the integrations of the policy.

    Args:
        token: the system's own token, which opens every hook.
        environ: where keys that the policy refers to as `env:NAME` are found.
        admission: whether what a sender brings is taken now.
        tokens: of a token of the role ingest the integration that it opens, empty for any; None where it
            is no such token. It may raise, and then nothing is known of the sender.
    """

    def __init__(
        self,
        policies: PolicyStore,
        commit: Delivers,
        token: str,
        environ: Mapping[str, str],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        admission: Admission | None = None,
        tokens: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        self._policies, self._commit = policies, commit
        self.admission = admission or Admission(environ, now=now)
        self._token, self._environ, self._now = token, environ, now
        self._tokens = tokens

    def sender(self, format_name: str, authorization: str | None) -> Sender | None:
        """The integration whose key the header holds, as a bearer's token or as a password."""
        return self.sender_for_key(format_name, bearer(authorization) or password(authorization))

    def sender_for_key(self, format_name: str, given: str) -> Sender | None:
        """The integration of that format whose key it is; None for a key that is nobody's."""
        if not given:
            return None
        _, policy = self._policies.current()
        of_format = {
            name: one for name, one in policy.integrations.items() if one.format == format_name
        }
        for name, integration in of_format.items():
            if same(given, resolve_key(integration.key, self._environ)):
                return Sender.of(name, integration, policy, self._now())
        named = "" if same(given, self._token) else self._tokens(given)
        if named is None:
            return None
        # With a token for every hook the first integration of the format lends its rules.
        for name, integration in of_format.items():
            if named in ("", name):
                return Sender.of(name, integration, policy, self._now())
        return None if named else Sender(format_name, policy, self._now())

    def closed(self) -> list[str]:
        """A line for each integration that takes nothing because a secret of it is missing."""
        return closed_integrations(self._policies.current()[1], self._environ)

    def knows(self, authorization: str | None) -> bool:
        """Whether it is the key of any integration, or a token that opens hooks."""
        given = bearer(authorization)
        if not given:
            return False
        _, policy = self._policies.current()
        keys = (one.key for one in policy.integrations.values())
        if same(given, self._token):
            return True
        is_key = any(same(given, resolve_key(key, self._environ)) for key in keys)
        return is_key or self._tokens(given) is not None

    async def take(self, format_name: str, sender: Sender, received: Received) -> int:
        """Deliver what a request holds and answer how many alerts that was.

        Raises:
            IntakeError: its own service would refuse it too. Not retried.
            ForgedError: it is not signed as the integration wants it, or too long ago.
            RateLimitedError: its sender brings too much, and none of it is a first critical alert.
            Exception: what the delivery raised; nothing is known to be kept, and the sender retries.
        """
        one = FORMATS[format_name]
        self.admission.check_signature(one, sender, received)
        alerts = one.parse(received, sender)
        if one.delivery_id is None:
            await self.take_alerts(sender, alerts)
        else:
            async with self.admission.once(one, sender, received) as is_first:
                if is_first:
                    await self.take_alerts(sender, alerts)
        return len(alerts)

    async def take_alerts(self, sender: Sender, alerts: list[Alert]) -> None:
        """Deliver alerts that a sender's own route has read; for the errors see `take`."""
        self.admission.check_rate(sender, alerts)
        await self.deliver(alerts)
        self.admission.kept(sender, alerts)

    async def take_oversized(self, sender: Sender, start: bytes) -> None:
        """Raise an incident for a payload that was too large to be read.

        Args:
            start: its first bytes.
        """
        alert = sender.unreadable(
            start.decode(errors="replace"),
            "the payload was larger than intake takes, and what it held is lost",
            summary=f"oversized alert from {sender.integration}",
        )
        key = f"oversized/{sender.integration}"
        await self.deliver([alert.model_copy(update={"key": key})])

    async def deliver(self, alerts: list[Alert]) -> None:
        """Return when all of them are durable. Raises what the delivery raised."""
        by_service: dict[str, list[Alert]] = {}
        for alert in alerts:
            by_service.setdefault(alert.service, []).append(alert)
        if (
            len(by_service) == 1
        ):  # nearly always: a task of its own would cost more than the rest of this
            ((service, some),) = by_service.items()
            await self._commit.deliver(service, some)
            return
        results = await asyncio.gather(
            *(self._commit.deliver(service, some) for service, some in by_service.items()),
            return_exceptions=True,
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result

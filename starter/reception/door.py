"""From a request at the door to alerts that Temporal has: who sent it, what it says, where it goes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from domain.alert import Alert
from records.policy_store import PolicyStore
from starter.intake import FORMATS
from starter.intake.mapping import Sender
from starter.intake.received import Received
from starter.reception.group_commit import GroupCommit
from starter.security import bearer, resolve_key, same


class Reception:
    """Takes payloads for the integrations of the policy.

    Args:
        token: the system's own token, which opens every hook.
        environ: where keys that the policy refers to as `env:NAME` are found.
    """

    def __init__(
        self,
        policies: PolicyStore,
        commit: GroupCommit,
        token: str,
        environ: Mapping[str, str],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._policies, self._commit = policies, commit
        self._token, self._environ, self._now = token, environ, now

    def sender(self, format_name: str, authorization: str | None) -> Sender | None:
        """The integration whose key the header holds; None for a key that is nobody's."""
        return self.sender_for_key(format_name, bearer(authorization))

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
                return Sender(name, policy, self._now(), integration.map)
        if not same(given, self._token):
            return None
        # With the system's own token the first integration of the format lends its rules.
        for name, integration in of_format.items():
            return Sender(name, policy, self._now(), integration.map)
        return Sender(format_name, policy, self._now())

    def knows(self, authorization: str | None) -> bool:
        """Whether it is the key of any integration, or the system's own token."""
        given = bearer(authorization)
        if not given:
            return False
        _, policy = self._policies.current()
        keys = (one.key for one in policy.integrations.values())
        return same(given, self._token) or any(
            same(given, resolve_key(key, self._environ)) for key in keys
        )

    async def take(self, format_name: str, sender: Sender, received: Received) -> int:
        """Deliver what a request holds and answer how many alerts that was.

        Raises:
            IntakeError: its own service would refuse it too. Not retried.
            Exception: what the delivery raised; nothing is known to be kept, and the sender retries.
        """
        alerts = FORMATS[format_name].parse(received, sender)
        await self.deliver(alerts)
        return len(alerts)

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

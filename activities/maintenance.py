"""Which maintenance windows the policy has for a service now."""

from __future__ import annotations

import structlog
from temporalio import activity

from activities.looking_up import PolicySource, why
from domain.maintenance import Window, windows_of

log = structlog.get_logger(__name__)


class MaintenanceLookUp:
    """Reads the policy live, so that a window added or taken away counts at once."""

    def __init__(self, policy: PolicySource) -> None:
        self._policy = policy

    @activity.defn(name="maintenance_windows")
    async def maintenance_windows(self, service: str) -> list[Window]:
        """The policy's windows for a service.

        Raises:
            Exception: the policy cannot be read, or a zone is none. Retried.
        """
        return windows_of(self._policy.current()[1], service)

    def of_policy(self, service: str) -> tuple[list[Window], str]:
        """The same for an incident that is being raised: a fault holds no page, and is told."""
        try:
            return windows_of(self._policy.current()[1], service), ""
        except Exception as error:
            log.exception("maintenance windows unreadable", service=service)
            return [], f"the maintenance windows cannot be read: {why(error)}; none counts"

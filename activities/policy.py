"""What an incident and a desk learn when they begin: the policy's slice, the link, the first free number."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from temporalio import activity

from activities.channels.outbox import Outbox
from activities.looking_up import PolicySource, RecordsLookUp, why
from domain.access.claims import UNREADABLE, Trust
from domain.messages import NumberFloor, PinPolicy
from domain.pinned import Pinned
from domain.policy.access import Access
from domain.policy.slice import slice_for
from records.database import RecordsUnavailableError

JUMP = 1000
"""How far numbers jump when the records cannot say which are taken."""
OUTBOX_SECONDS = 2.0
log = structlog.get_logger(__name__)


def trust_of(access: Access, actor_keys: Callable[[], Mapping[str, str]]) -> Trust:
    """Whose signatures count: the policy's keys and those of this host.

    Where they cannot be read, or commands without a signature are to be refused and no key is there at
    all, no claim holds and the next command looks again: nothing is let in because a file is missing.
    """
    try:
        keys = {**actor_keys(), **access.keys}
    except (OSError, ValueError) as error:
        log.warning("the keys of claims cannot be read: commands count as unsigned", why=why(error))
        keys = {**access.keys, UNREADABLE: ""}
    if not keys and access.unsigned == "refuse":
        keys = {UNREADABLE: ""}
    return Trust(actor_keys=keys, unsigned=access.unsigned)


class Pinning:
    """Run as local activities: no incident exists without their answers.

    Args:
        link_for: an incident's link for people, from its id.
        actor_keys: the public keys of this host's own API, by id.
    """

    def __init__(
        self,
        policy: PolicySource,
        records: RecordsLookUp,
        outbox: Outbox,
        link_for: Callable[[str], str],
        actor_keys: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._policy, self._records = policy, records
        self._outbox, self._link_for = outbox, link_for
        self._actor_keys = actor_keys

    @activity.defn(name="pin_policy")
    async def pin_policy(self, request: PinPolicy) -> Pinned:
        """The slice of the current policy, and the incident's link.

        Raises:
            PolicyError: there is no policy at all. Retried.
        """
        version, policy = self._policy.current()
        url = self._link_for(request.incident_id) if request.incident_id else ""
        pinned = slice_for(policy, request.service, request.type, version)
        pinned.trust = trust_of(policy.access, self._actor_keys)
        return Pinned(policy=pinned, url=url)

    @activity.defn(name="number_floor")
    async def number_floor(self, service: str) -> NumberFloor:
        """A number that no incident of the service has, and those that are open: what a new desk needs."""
        notes: list[str] = []
        written = recorded = 0
        listed: list[dict[str, Any]] = []
        try:
            scan = asyncio.to_thread(self._outbox.highest_number, service)
            written = await asyncio.wait_for(scan, OUTBOX_SECONDS)
        except (OSError, TimeoutError) as error:
            notes.append(f"the outbox could not be read: {why(error)}")
        try:
            recorded = await self._records.highest_number(service)
            listed = await self._records.open_for_services([service])
        except RecordsUnavailableError as error:
            # A desk that waits for the records pages nobody; a jump in the numbers harms nobody.
            notes.append(
                f"the records could not be read: {why(error)}; numbers jump by {JUMP} from {written}"
            )
            recorded = written + JUMP
        return NumberFloor(
            next_number=max(written, recorded) + 1, note="; ".join(notes), open=listed
        )

"""What stands in Temporal beside the incidents: maintenance windows at the desks, and the monitors.

The API's door to both, and what has to be told to Temporal when the policy changes.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

from domain.heartbeat import HeartbeatState, definition_of
from domain.maintaining import ADD, REMOVE
from domain.maintenance import Window, not_over, windows_of
from domain.policy.model import Policy
from domain.policy.slice import UNKNOWN_SERVICE
from starter.gateway import Accepted, Answered
from starter.temporal_link import (
    GatewayUnavailableError,
    NotAnsweredError,
    TemporalLink,
    WorkflowGoneError,
)
from workflows.contract import Beat, desk_id, heartbeat_id

AT_ONCE = 20
"""Questions to Temporal that are under way together."""

T = TypeVar("T")


class Standing:
    """Speaks to desks and monitors. Raises what the gateway raises."""

    def __init__(self, link: TemporalLink) -> None:
        self._link = link

    # Maintenance.

    async def add_window(
        self, service: str, body: dict[str, Any], key: str | None = None
    ) -> Answered | Accepted:
        """Begin a window; the names in the body have been checked."""
        return await self._tell_desk(service, ADD, body, key)

    async def remove_window(
        self, service: str, body: dict[str, Any], key: str | None = None
    ) -> Answered | Accepted:
        """End a window."""
        return await self._tell_desk(service, REMOVE, body, key)

    async def _tell_desk(
        self, service: str, name: str, body: dict[str, Any], key: str | None
    ) -> Answered | Accepted:
        key = f"{name}/{key or uuid.uuid4()}"
        body = {**body, "key": key}
        try:
            return Answered(view=await self._link.update_desk(service, name, body, key))
        except NotAnsweredError:
            await self._link.signal_desk(service, name, body)
            return Accepted()

    async def windows(
        self, policy: Policy, services: Iterable[str], at: datetime
    ) -> tuple[list[tuple[str, Window]], list[str]]:
        """The windows that are not over, by service, and the services whose desk did not answer."""
        asked = list(services)
        answers = await _together(self._made(service) for service in asked)
        found: list[tuple[str, Window]] = []
        for service, made in zip(asked, answers, strict=True):
            known = [*windows_of(policy, service), *(made or [])]
            found += [(service, window) for window in not_over(known, at)]
        silent = [s for s, made in zip(asked, answers, strict=True) if made is None]
        return sorted(found, key=lambda pair: (pair[1].start, pair[0], pair[1].id)), silent

    async def _made(self, service: str) -> list[Window] | None:
        try:
            view = await self._link.query(desk_id(service), "status")
        except WorkflowGoneError:
            return []  # nothing ever happened to the service
        except (NotAnsweredError, GatewayUnavailableError):
            return None
        return [Window.model_validate(one) for one in view.get("maintenance") or []]

    # Heartbeats.

    async def beat(self, policy: Policy, name: str, at: datetime) -> None:
        """Deliver a beat to a monitor of the policy, which is started where none runs."""
        definition = definition_of(policy, name)
        beat = Beat(at=at, definition=definition)
        if definition.monitor is not None:
            await self._link.signal_monitor(name, definition, "beat", beat.model_dump(mode="json"))

    async def monitors(self, policy: Policy) -> list[dict[str, Any]]:
        """Every monitor of the policy as it stands; `unknown` where Temporal does not tell."""
        names = list(policy.heartbeats)
        views = await _together(self._monitor(name) for name in names)
        return [
            policy.heartbeats[name].model_dump(mode="json") | {"name": name} | view
            for name, view in zip(names, views, strict=True)
        ]

    async def _monitor(self, name: str) -> dict[str, Any]:
        nothing: dict[str, Any] = {"last_beat": None, "due_at": None, "late_since": None}
        try:
            view = await self._link.query(heartbeat_id(name), "status")
        except WorkflowGoneError:
            return nothing | {"state": HeartbeatState.WAITING.value}
        except (NotAnsweredError, GatewayUnavailableError):
            return nothing | {"state": "unknown"}
        return {field: view.get(field) for field in ("state", *nothing)}

    # The policy has changed.

    async def follow(self, before: Policy, after: Policy) -> list[str]:
        """Tell Temporal what a new policy changes; answers what could not be told."""
        told = [
            self._define(before, after, name) for name in {**before.heartbeats, **after.heartbeats}
        ]
        told += [
            self._review(before, after, service) for service in [*after.services, UNKNOWN_SERVICE]
        ]
        return [fault for fault in await _together(told) if fault]

    async def _define(self, before: Policy, after: Policy, name: str) -> str:
        old, new = definition_of(before, name), definition_of(after, name)
        if old == new:
            return ""
        body = new.model_dump(mode="json")
        try:
            if new.monitor is not None:
                await self._link.signal_monitor(name, new, "define", body)
            else:
                await self._link.signal(heartbeat_id(name), "define", body)
        except WorkflowGoneError:
            return ""
        except (NotAnsweredError, GatewayUnavailableError) as error:
            return f"heartbeat {name} has not heard of it: {error}; its next beat tells it"
        return ""

    async def _review(self, before: Policy, after: Policy, service: str) -> str:
        now = datetime.now(UTC)
        if not_over(windows_of(before, service), now) == not_over(windows_of(after, service), now):
            return ""
        try:
            await self._link.signal_desk(service, "review_maintenance", {})
        except (NotAnsweredError, GatewayUnavailableError) as error:
            return f"the desk of {service} has not heard of its maintenance: {error}; reload again"
        return ""


async def _together(calls: Iterable[Awaitable[T]]) -> list[T]:
    """The answers in order, a few calls at a time."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(call: Awaitable[T]) -> T:
        async with slots:
            return await call

    return list(await asyncio.gather(*(one(call) for call in calls)))

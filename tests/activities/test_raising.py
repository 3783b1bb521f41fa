"""Starting an incident is done again where its answer was lost, and comes out the same."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import ActivityEnvironment

from activities.raising import Raising
from domain.pinned import Pinned
from domain.raising import Origin
from tests.factories import T0, a_policy_slice, an_alert
from workflows import contract


@dataclass
class SlowTemporal:
    """Takes a start and does not say so: it knows the workflow only some time later."""

    starts: list[str] = field(default_factory=list)

    async def start_workflow(self, *args: Any, id: str, **options: Any) -> None:
        self.starts.append(id)
        raise RPCError("no answer in time", RPCStatusCode.DEADLINE_EXCEEDED, b"")

    def get_workflow_handle(self, id: str) -> SlowTemporal:
        return self

    async def describe(self) -> Any:
        raise RPCError("not found", RPCStatusCode.NOT_FOUND, b"")


class Storms:
    """A storm that begins, or is forgotten, between two attempts."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)

    def count(self, request: contract.StartIncident, limit: int | None) -> bool:
        return True

    async def fold(self, request: contract.StartIncident, severity: str, rank: int) -> str:
        return self.answers.pop(0)


class Policy:
    """Everything that is looked up: the policy, no maintenance, no likely cause, nobody to page."""

    async def pin_policy(self, request: Any) -> Pinned:
        return Pinned(policy=a_policy_slice(), url="")

    def of_policy(self, service: str) -> tuple[list[Any], str]:
        return [], ""

    async def likely_cause(self, *args: Any) -> None:
        return None

    async def resolve_page(self, request: Any) -> Any:
        class Nobody:
            targets: list[Any] = []
            hold_until = None

        return Nobody()


def a_raising(temporal: SlowTemporal, storms: Storms) -> Raising:
    every: Any = Policy()
    client: Any = temporal
    watch: Any = storms
    return Raising(client, every, every, every, every, watch)


def a_request(related: str | None = None) -> contract.StartIncident:
    origin = Origin(alerts=[an_alert()], related=related)
    return contract.StartIncident(
        incident_id="checkout-1", service="checkout", type="default", origin=origin, at=T0,
        made=[], cause="report/a1", roll_over_at=1_000,
    )  # fmt: skip


async def test_what_may_have_been_started_is_not_folded() -> None:
    """The start of the first attempt is on its way when a storm begins: the second one starts it too."""
    temporal = SlowTemporal()
    raising = a_raising(temporal, Storms("", "unknown-1"))
    for _ in range(2):
        with pytest.raises(RPCError):
            await ActivityEnvironment().run(raising.start_incident, a_request())
    assert temporal.starts == ["checkout-1", "checkout-1"]


async def test_what_was_folded_is_folded_again() -> None:
    """A desk's task is done again when the storm's entity does not answer any more: no second incident."""
    temporal = SlowTemporal()
    raising = a_raising(temporal, Storms("unknown-1", ""))
    for _ in range(2):
        started = await ActivityEnvironment().run(raising.start_incident, a_request())
        assert started.folded_into == "unknown-1"
        await asyncio.sleep(0)
    assert temporal.starts == []


async def test_what_a_storm_gave_back_is_decided_anew() -> None:
    """Its incident has ended: what still fires is raised, or folded, as if it had just come."""
    raising = a_raising(SlowTemporal(), Storms("unknown-1", "unknown-2"))
    into = [
        (await ActivityEnvironment().run(raising.start_incident, a_request(related))).folded_into
        for related in (None, "unknown-1")
    ]
    assert into == ["unknown-1", "unknown-2"]

"""Pages on the real server: what a vendor's answers, acknowledgements and judgements do to them."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio import activity
from temporalio.exceptions import ApplicationError

import worker
from domain.messages import Delivery, DeliveryState, ResolvedPage, ResolvePage, SendPage
from tests.world import EXAMPLE, World, a_world

ALICE_FIRST = EXAMPLE.read_text().replace(
    "- {people: [alice, bob], every: week", "- {people: [alice], every: week"
)
"""The example with alice always on call: she has two contacts, SMS and e-mail."""


class Vendor:
    """Answers each attempt at a page as scripted by channel and person; `sent` where nothing is said."""

    def __init__(self) -> None:
        self.script: dict[str, list[str]] = defaultdict(list)
        self.attempts: list[tuple[str, str, float]] = []
        self.requests: list[SendPage] = []
        self.opened = asyncio.Event()
        self.opened.set()

    def says(self, who: str, *answers: str) -> None:
        """`sms`, or `carol/email`: temporary, permanent, slow or sent; the last one again and again."""
        self.script[who] = list(answers)

    def tried(self, channel: str) -> list[float]:
        return [at for _, one, at in self.attempts if one == channel]

    def install(self, built: worker.Activities) -> worker.Activities:
        @activity.defn(name="send_page")
        async def send_page(request: SendPage) -> Delivery:
            self.attempts.append((request.person, request.channel, time.monotonic()))
            self.requests.append(request)
            said = (
                self.script[f"{request.person}/{request.channel}"] or self.script[request.channel]
            )
            answer = (said.pop(0) if len(said) > 1 else said[0]) if said else "sent"
            if answer == "slow":
                await self.opened.wait()
                answer = "sent"
            failed = answer != "sent"
            return Delivery(
                key=request.key, recipient=f"person:{request.person}", channel=request.channel,
                state=DeliveryState.FAILED if failed else DeliveryState.SENT,
                reason="server_error" if failed else None, retryable=answer == "temporary",
            )  # fmt: skip

        others = [one for one in built.pages if one.__name__ != "send_page"]
        return replace(built, pages=[send_page, *others])


class Story:
    """A running Tocsin with a scripted vendor."""

    def __init__(self, data: Path) -> None:
        self.vendor = Vendor()
        policy = data / "policy.yaml"
        policy.write_text(ALICE_FIRST)
        self.running = a_world(
            data / "data", skipping=False, policy=policy, activities=self.vendor.install
        )

    async def __aenter__(self) -> tuple[World, Vendor]:
        (world := await self.running.__aenter__())
        return world, self.vendor

    async def __aexit__(self, *exc: Any) -> None:
        await self.running.__aexit__(*exc)


async def all_of(world: World, incident: str, name: str, count: int) -> list[dict[str, Any]]:
    """The facts of a name, once there are as many."""

    async def look() -> list[dict[str, Any]]:
        found = await world.facts(incident, name)
        return found if len(found) >= count else []

    found: list[dict[str, Any]] = await world.eventually(look, within=30)
    assert len(found) == count
    return found


async def test_a_temporary_failure_is_retried_and_the_next_contact_tried_beside_it(
    tmp_path: Path,
) -> None:
    """SMS answers 500 again and again: e-mail goes out at once, and nobody is paged twice after it."""
    async with Story(tmp_path) as (world, vendor):
        vendor.says("sms", "temporary")
        vendor.says("email", "temporary", "sent")  # 2 s between them
        incident = await world.declare()
        await world.eventually(lambda: len(vendor.tried("email")) >= 2, within=30)
        first_sms, first_mail = vendor.tried("sms")[0], vendor.tried("email")[0]
        assert first_mail - first_sms < 15
        a, b = vendor.tried("email")
        assert 1.5 < b - a < 15
        (sent,) = await all_of(world, incident, "page_sent", 1)
        assert (sent["data"]["channel"], sent["data"]["attempt"]) == ("email", 2)
        failed = await world.facts(incident, "page_failed")
        assert [f["data"]["channel"] for f in failed[:2]] == ["sms", "email"]
        assert all(f["data"]["will_retry"] for f in failed[:2])
        # Repeated tries take turns: the SMS was tried again first, and not any more after the mail.
        assert [f["data"]["channel"] for f in failed[2:]] in ([], ["sms"])
        tries = len(vendor.attempts)
        keys = {r.key for r in vendor.requests}
        assert len(keys) == 2
        # Once one of them has arrived the other contact is left alone, though its retry was due.
        view = await world.command(incident, "acknowledge", "alice")
        assert view["incident_manager"] == "alice"
        await asyncio.sleep(0)
        assert len(vendor.attempts) == tries
        assert {m["purpose"] for m in world.outbox()} <= {"role"}


async def test_permanent_failures_go_to_the_next_contact_and_then_to_the_next_step(
    tmp_path: Path,
) -> None:
    """No contact of a step can be reached: the next step is paged now, not minutes later."""
    async with Story(tmp_path) as (world, vendor):
        vendor.says("sms", "permanent")
        vendor.says("alice/email", "permanent")
        incident = await world.declare()
        steps = await all_of(world, incident, "step_paged", 2)
        waited = datetime.fromisoformat(steps[1]["at"]) - datetime.fromisoformat(steps[0]["at"])
        assert waited < timedelta(minutes=1)  # the policy says five minutes
        assert [t["person"] for t in steps[1]["data"]["targets"]] == ["alice", "bob"]
        await world.eventually(lambda: any(p == "bob" for p, _, _ in vendor.attempts))
        failed = await world.facts(incident, "page_failed")
        assert [f["data"]["channel"] for f in failed[:2]] == ["sms", "email"]
        assert not any(f["data"]["will_retry"] for f in failed)
        # No contact was tried twice for the same step, and step three keeps its time.
        per_key = defaultdict(int)
        for request in vendor.requests:
            per_key[request.key] += 1
        assert set(per_key.values()) == {1}
        assert not any(person == "carol" for person, _, _ in vendor.attempts)


async def test_an_acknowledgement_never_waits_for_a_page_and_stops_every_other(
    tmp_path: Path,
) -> None:
    """The vendor hangs: the answer comes at once, the page that went out is told, and no more go."""
    async with Story(tmp_path) as (world, vendor):
        vendor.opened.clear()
        vendor.says("sms", "slow")
        incident = await world.declare()
        await world.eventually(lambda: vendor.attempts)
        view = await world.command(incident, "acknowledge", "bob")
        assert (view["status"], view["incident_manager"]) == ("fixing", "bob")
        # Answered before the page was given up, which it is after 12 s.
        assert await world.facts(incident, "page_sent", "page_failed") == []
        vendor.opened.set()
        (sent,) = await all_of(world, incident, "page_sent", 1)
        assert sent["data"]["person"] == "alice"
        await world.command(incident, "resolve", "bob", summary="fixed")
        assert len(vendor.attempts) == 1
        told = await world.eventually(lambda: world.outbox("page_update"))
        assert [m["to"] for m in told] == [
            "alice@example.com"
        ]  # alice hears that bob took it: by what costs nothing
        assert "bob" in told[0]["text"].lower()


async def test_an_acknowledgement_stops_what_was_to_be_tried_again(tmp_path: Path) -> None:
    """Every contact fails and is due again: after the acknowledgement none is tried."""
    async with Story(tmp_path) as (world, vendor):
        vendor.says("sms", "temporary")
        vendor.says("email", "temporary")
        incident = await world.declare()
        await world.eventually(lambda: len(vendor.attempts) >= 3)
        await world.command(incident, "acknowledge", "alice")
        await asyncio.sleep(1)  # what was leaving that moment has left
        tries = len(vendor.attempts)
        # The next was due within three seconds: a timer that is set now would come after it.
        await asyncio.sleep(4)
        assert len(vendor.attempts) == tries
        assert await world.facts(incident, "page_sent") == []


async def test_ten_acknowledgements_at_once_make_one_incident_manager(tmp_path: Path) -> None:
    """Everybody takes it in the same second: one is in charge, and each gets a definite answer."""
    async with Story(tmp_path) as (world, vendor):
        incident = await world.declare()
        people = ["alice", "bob", "carol", "dana"]
        views = await asyncio.gather(
            *(world.command(incident, "acknowledge", people[n % 4], key=f"k{n}") for n in range(10))
        )
        managers = {view["incident_manager"] for view in views}
        assert len(managers) == 1
        facts = await world.facts(incident, "acknowledged")
        assert [f["data"]["first"] for f in facts] == [True] + [False] * (len(facts) - 1)
        assert len({f["data"]["person"] for f in facts}) == len(facts) <= 4
        final = await world.status(incident)
        accepted = [h for h in final["roles"] if h["role"] == "incident_manager"]
        assert [h["person"] for h in accepted] == list(managers)
        assert await world.facts(incident, "command_refused") == []
        assert all(person == "alice" for person, _, _ in vendor.attempts)


async def test_escalating_pages_the_target_and_leaves_the_incident_as_it_is(
    tmp_path: Path,
) -> None:
    """An expert is called in: paged with who asked and why; the status and the manager stay."""
    async with Story(tmp_path) as (world, vendor):
        incident = await world.declare()
        await world.command(incident, "acknowledge", "bob")
        await world.command(incident, "escalate", "bob", to="person:dana", reason="knows the pool")
        await world.eventually(lambda: any(p == "dana" for p, _, _ in vendor.attempts))
        page = next(r for r in vendor.requests if r.person == "dana")
        assert "knows the pool" in page.text.text
        view = await world.status(incident)
        assert (view["status"], view["incident_manager"]) == ("fixing", "bob")
        await world.command(incident, "acknowledge", "dana")
        view = await world.status(incident)
        assert view["incident_manager"] == "bob"
        assert [p for p, _, _ in vendor.attempts if p not in ("alice", "dana")] == []


async def test_becoming_major_pages_again_and_staying_major_does_not(tmp_path: Path) -> None:
    """From minor to major the page goes out once more; from one major severity to another it does not."""
    async with Story(tmp_path) as (world, vendor):
        incident = await world.declare(severity="SEV3")
        await world.command(incident, "acknowledge", "bob")
        before = len(vendor.attempts)
        await world.command(
            incident, "set_severity", "bob", severity="SEV2", reason="more customers"
        )
        await world.eventually(lambda: len(vendor.attempts) > before)
        assert vendor.requests[-1].severity == "SEV2"
        await world.command(incident, "acknowledge", "alice")
        pages = len(vendor.attempts)
        await world.command(
            incident, "set_severity", "bob", severity="SEV1", reason="all customers"
        )
        await world.command(incident, "resolve", "bob", summary="fixed")
        assert len(vendor.attempts) == pages
        assert (await world.status(incident))["incident_manager"] == "bob"


async def test_a_broken_template_stops_no_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's template cannot be rendered: the built-in text goes out, and the fault is told."""
    from templates.renderer import Renderer, TemplateFaultError

    whole = Renderer.render

    def broken(self: Renderer, template: str, *args: Any, **kwargs: Any) -> Any:
        if template == "page":
            raise TemplateFaultError(template, "no such field")
        return whole(self, template, *args, **kwargs)

    monkeypatch.setattr(Renderer, "render", broken)
    async with Story(tmp_path) as (world, vendor):
        incident = await world.declare("Checkout is down")
        await all_of(world, incident, "page_sent", 1)
        text = vendor.requests[0].text
        assert "Checkout is down" in text.subject + text.text
        assert "SEV1" in text.subject + text.text
        (step,) = await world.facts(incident, "step_paged")
        assert ["sent as plain text" in fault for fault in step["data"]["faults"]] == [True]


async def test_a_look_up_that_fails_is_asked_again_in_peace(tmp_path: Path) -> None:
    """Who is on call cannot be found out for a while: asked every few seconds, and then paged."""
    calls: list[float] = []

    def broken_first(built: worker.Activities) -> worker.Activities:
        good = next(a for a in built.main if a.__name__ == "resolve_page")

        @activity.defn(name="resolve_page")
        async def resolve_page(request: Any) -> Any:
            calls.append(time.monotonic())
            if len(calls) < 2:
                raise ApplicationError("no policy", non_retryable=True)
            return await good(ResolvePage.model_validate(request))

        async def nobody(request: Any) -> ResolvedPage:
            return ResolvedPage()

        starting: Any = next(a for a in built.main if a.__name__ == "start_incident")
        starting.__self__._resolving = SimpleNamespace(resolve_page=nobody)
        return replace(built, main=[*(a for a in built.main if a is not good), resolve_page])

    async with a_world(tmp_path, skipping=False, activities=broken_first) as world:
        incident = await world.declare()
        await world.eventually(lambda: world.outbox("page"), within=30)
        assert len(calls) == 2
        assert 4 < calls[1] - calls[0] < 30
        assert len(await world.facts(incident, "faulted")) == 1
        # Waiting costs nothing: a history full of timers would roll over and hold up the page.
        assert sum(len(run) for run in await world.runs(incident)) < 60


async def test_a_minor_incident_at_night_waits_for_working_hours(tmp_path: Path) -> None:
    """SEV3 wakes nobody: its page goes out when working hours begin, once, and not before."""
    async with a_world(tmp_path) as world:
        now = await world.now()
        night = _next_night(now)
        await world.skip(night - now, step=timedelta(hours=6))
        incident = await world.declare(severity="SEV3")
        held = await all_of(world, incident, "page_held", 1)
        assert world.outbox("page") == []
        until = datetime.fromisoformat(held[0]["data"]["until"])
        await world.skip(until - await world.now() - timedelta(minutes=10), timedelta(hours=1))
        assert world.outbox("page") == []
        await world.skip(timedelta(minutes=12), timedelta(minutes=4))
        await world.eventually(lambda: world.outbox("page"))
        assert len(world.outbox("page")) == 1


def _next_night(now: datetime) -> datetime:
    """The next Tuesday, 23:30 UTC: night in Berlin, and a working day comes."""
    days = (1 - now.astimezone(UTC).weekday()) % 7 or 7
    return (now + timedelta(days=days)).replace(hour=23, minute=30, second=0, microsecond=0)

"""Continue-as-new under load: nothing is lost, nothing is done twice, nobody waits."""

from __future__ import annotations

import asyncio
import json
import shutil
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowUpdateFailedError
from temporalio.service import RPCError

import worker
from domain.messages import Delivery, DeliveryState, SendPage
from tests.world import World, a_world, an_alert
from workflows import contract
from workflows.contract import desk_id


class Pager:
    """Sends pages in place of the real activity, as a test says, and counts them by key."""

    def __init__(self) -> None:
        self.attempts: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.fails = False
        self.gate = asyncio.Event()
        self.gate.set()

    def installed(self, built: worker.Activities) -> worker.Activities:
        @activity.defn(name="send_page")
        async def send_page(request: SendPage) -> Delivery:
            self.attempts[request.key] += 1
            await self.gate.wait()
            state = DeliveryState.FAILED if self.fails else DeliveryState.SENT
            if not self.fails:
                self.sent[request.key] += 1
            return Delivery(
                key=request.key, recipient=f"person:{request.person}", channel=request.channel,
                state=state, reason="server_error" if self.fails else None, retryable=self.fails,
            )  # fmt: skip

        others = [one for one in built.pages if one.__name__ != "send_page"]
        return replace(built, pages=[send_page, *others])


@asynccontextmanager
async def rolling(data: Path, pager: Pager | None = None, **limits: int) -> AsyncIterator[World]:
    """A Tocsin whose workflows continue as new after few events."""
    activities: Callable[[worker.Activities], worker.Activities] = (
        pager.installed if pager else lambda built: built
    )
    async with a_world(data, skipping=False, limits=limits, activities=activities) as world:
        yield world


async def patiently(world: World, incident: str, name: str, actor: str, **fields: Any) -> Any:
    """A command as the front sends it: asked again under its key while a run ends."""
    key = fields.pop("key", None) or str(uuid.uuid4())

    async def ask() -> Any:
        try:
            return await world.command(incident, name, actor, key=key, **fields)
        except RPCError as error:
            if error.status.name in ("UNAVAILABLE", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED"):
                return None
            if "aborted" in error.message:
                return None
            raise
        except WorkflowUpdateFailedError as error:
            if getattr(error.cause, "type", "") == "AcceptedUpdateCompletedWorkflow":
                return None
            raise

    return await world.eventually(ask)


async def run_count(world: World, workflow: str) -> int:
    return len(await world.runs(workflow))


async def make_roll(world: World, incident: str) -> int:
    """Write notes until the incident has continued as new; answers how many runs there are now."""
    before = (await world.handle(incident).describe()).run_id
    for _ in range(60):
        await patiently(world, incident, "note", "alice", text="on and on")
        if (await world.handle(incident).describe()).run_id != before:
            return await run_count(world, incident)
    raise AssertionError("it never rolled over")


async def test_notes_by_signal_stand_on_the_timeline_once_across_runs(tmp_path: Path) -> None:
    """300 signals into an incident that rolls over all the time: each is a fact, once, in order."""
    async with rolling(tmp_path, incident=60) as world:
        incident = await world.declare()
        for first in range(0, 300, 20):
            texts = [f"note {number}" for number in range(first, first + 20)]
            await asyncio.gather(*(world.signal(incident, "note", {"text": t}) for t in texts))

        async def all_noted() -> list[dict[str, Any]]:
            found = await world.facts(incident, "noted")
            return found if len(found) >= 300 else []

        noted = await world.eventually(all_noted, within=60)
        assert Counter(entry["data"]["text"] for entry in noted) == Counter(
            f"note {number}" for number in range(300)
        )
        whole = await world.timeline(incident)
        assert [entry["seq"] for entry in whole] == list(range(1, len(whole) + 1))
        assert await run_count(world, incident) > 2
        assert await world.failed_tasks(incident) == []
        assert {m["purpose"] for m in world.outbox()} == {"page"}
        keys = [m["idempotency_key"] for m in world.outbox("page")]
        assert len(keys) == len(set(keys)) == 1


async def test_commands_in_flight_are_answered_once_across_runs(tmp_path: Path) -> None:
    """Updates around every roll-over: each is answered and done once, also when asked again later."""
    async with rolling(tmp_path, incident=60) as world:
        incident = await world.declare()
        await patiently(world, incident, "acknowledge", "alice", key="take-it")
        keys = [f"key-{number}" for number in range(216)]
        for first in range(0, len(keys), 8):
            views = await asyncio.gather(
                *(
                    patiently(world, incident, "observe", "bob", text=key, key=key)
                    for key in keys[first : first + 8]
                )
            )
            assert all(view["id"] == incident for view in views)
        assert await run_count(world, incident) > 3
        # In a later run, and in a state that would refuse it: still answered, and nothing happens.
        await patiently(world, incident, "resolve", "alice", summary="fixed")
        before = len(await world.timeline(incident))
        view = await patiently(world, incident, "observe", "bob", text=keys[90], key=keys[90])
        assert view["status"] == "resolved"
        observed = await world.facts(incident, "observed")
        assert Counter(e["data"]["text"] for e in observed) == Counter(keys)
        assert len(await world.facts(incident, "acknowledged")) == 1
        later = await world.timeline(incident)
        assert not [e for e in later[before:] if e["fact"] in ("observed", "command_refused")]
        last = (await world.runs(incident))[-1][0]
        assert len(_carried(last)["results"]) <= 200
        assert await world.failed_tasks(incident) == []


def _carried(started: Any) -> dict[str, Any]:
    """The state in the input of a run."""
    attributes = started.workflow_execution_started_event_attributes
    state = json.loads(attributes.input.payloads[0].data)["carried"]["state"]
    return dict(state)


async def test_a_page_in_flight_ends_before_the_incident_rolls_over(tmp_path: Path) -> None:
    """A slow page at the moment of rolling over: it is recorded, it is not sent twice, and an
    acknowledgement is answered meanwhile."""
    pager = Pager()
    async with rolling(tmp_path, pager, incident=60) as world:
        pager.gate.clear()
        incident = await world.declare()
        await world.eventually(lambda: pager.attempts)
        runs = (await world.handle(incident).describe()).run_id
        # Past the threshold, and soon: an attempt at a page is given up after 12 s.
        texts = [f"n{number}" for number in range(40)]
        await asyncio.gather(*(world.signal(incident, "note", {"text": one}) for one in texts))
        await world.eventually(lambda: _noted(world, incident, 40))
        asyncio.get_running_loop().call_later(0.5, pager.gate.set)
        began = asyncio.get_running_loop().time()
        await patiently(world, incident, "acknowledge", "bob")
        assert asyncio.get_running_loop().time() - began < 20

        async def rolled() -> bool:
            return (await world.handle(incident).describe()).run_id != runs

        await world.eventually(rolled)
        await world.eventually(lambda: world.facts(incident, "page_sent"))
        assert len(await world.facts(incident, "page_sent")) == 1
        assert list(pager.attempts.values()) == [1]
        assert (await world.status(incident))["incident_manager"] == "bob"
        assert await world.failed_tasks(incident) == []


async def _noted(world: World, incident: str, count: int) -> bool:
    return len(await world.facts(incident, "noted")) >= count


async def test_pages_that_fail_are_carried_and_go_out_once_afterwards(tmp_path: Path) -> None:
    """The vendor is down while the incident rolls over: every wanted page goes out once it is back."""
    pager = Pager()
    pager.fails = True
    async with rolling(tmp_path, pager, incident=60) as world:
        incident = await world.declare()
        await world.eventually(lambda: len(pager.attempts) >= 2 or None)  # alice has two contacts
        for _ in range(3):
            await make_roll(world, incident)
        tried = set(pager.attempts)
        assert not pager.sent
        pager.fails = False
        await world.eventually(lambda: pager.sent)
        # One page that arrives is enough: the same person's other contact is not used any more.
        await world.eventually(lambda: world.facts(incident, "page_sent"))
        assert set(pager.sent) <= tried
        assert set(pager.sent.values()) == {1}
        settled = dict(pager.attempts)
        for _ in range(2):
            await make_roll(world, incident)
        assert dict(pager.attempts) == settled
        assert await world.failed_tasks(incident) == []


async def test_facts_wait_for_the_records_across_runs(tmp_path: Path) -> None:
    """The records' database is away during roll-overs: facts travel along and are written afterwards."""
    async with rolling(tmp_path, incident=60) as world:
        incident = await world.declare()
        database = tmp_path / "records.db"
        away = tmp_path / "away"
        await world.eventually(lambda: asyncio.to_thread(world.records.timeline, incident, 0, 10))
        away.mkdir()
        for file in tmp_path.glob("records.db*"):
            shutil.move(file, away / file.name)
        database.mkdir()
        await patiently(world, incident, "acknowledge", "alice")
        for _ in range(3):
            await make_roll(world, incident)
        facts = await world.handle(incident).query("timeline")
        noted = [entry for entry in facts if entry["fact"] == "noted"]
        assert [e["seq"] for e in facts] == list(range(facts[0]["seq"], facts[-1]["seq"] + 1))
        database.rmdir()
        for file in away.iterdir():
            shutil.move(file, tmp_path / file.name)

        async def written() -> bool:
            found = await asyncio.to_thread(world.records.timeline, incident, 0, 10_000)
            return [e.seq for e in found] == list(range(1, facts[-1]["seq"] + 1))

        await world.eventually(written, within=90)  # the last attempt was up to half a minute ago
        found = await asyncio.to_thread(world.records.timeline, incident, 0, 10_000)
        assert len([entry for entry in found if entry.fact == "noted"]) == len(noted)
        assert await world.failed_tasks(incident) == []


async def test_long_texts_never_make_a_payload_too_large(tmp_path: Path) -> None:
    """A hundred notes of the longest kind, with the records slow: written in parts, asked for in part."""
    async with rolling(tmp_path, incident=200) as world:
        incident = await world.declare()
        text = "ü" * 8_000
        for _ in range(12):
            await asyncio.gather(
                *(world.signal(incident, "note", {"text": text}) for _ in range(10))
            )
        await world.eventually(lambda: _noted(world, incident, 120), within=60)
        for number in range(80):
            await world.signal(incident, "add_theory", {"text": f"{number} {text}"})
        # The state is nearly as large as any payload may be: what is long is refused from here on.
        refused = await world.eventually(
            lambda: world.facts(incident, "command_refused"), within=60
        )
        assert "link a document instead" in refused[0]["text"]
        view = await patiently(world, incident, "acknowledge", "alice")
        assert view["status"] == "fixing"
        await make_roll_or_end(world, incident)
        assert await world.failed_tasks(incident) == []


async def make_roll_or_end(world: World, incident: str) -> None:
    await patiently(world, incident, "cancel", "alice", reason="enough")
    await asyncio.wait_for(world.handle(incident).result(), 30)


async def test_deadlines_attributes_and_card_are_the_same_after_rolling(tmp_path: Path) -> None:
    """What the operator reads and what comes next do not change when an incident continues as new."""
    async with rolling(tmp_path, incident=60) as world:
        incident = await world.declare()
        await patiently(world, incident, "acknowledge", "alice")
        await patiently(world, incident, "assess", "alice", confirmed=True)
        await world.eventually(lambda: len(world.outbox("external_update")) == 1)
        await world.eventually(lambda: _settled(world, incident))
        due = (await world.status(incident))["next_update_due"]
        sent = len(world.outbox())
        card = await _card(world, incident)
        timer = await _timer(world, incident)
        await make_roll(world, incident)
        assert (await world.status(incident))["next_update_due"] == due
        assert await _card(world, incident) == card
        described = await world.handle(incident).describe()
        found = described.typed_search_attributes
        assert {key.name: found.get(key) for key in contract.SEARCH_ATTRIBUTES} == {
            "IncidentStatus": "fixing",
            "IncidentSeverity": "SEV1",
            "IncidentPriority": "P1",
            "IncidentService": "checkout",
            "IncidentManager": "alice",
            "IncidentMajor": True,
        }
        assert (await described.memo())["cause"]
        await world.eventually(lambda: _timer(world, incident))
        after = await _timer(world, incident)
        assert abs((after - timer).total_seconds()) < 1
        assert len(world.outbox()) == sent


async def _settled(world: World, incident: str) -> bool:
    """Nothing runs and nothing is wanted any more: every activity of its last run has ended."""
    events = (await world.runs(incident))[-1]
    kinds = Counter(event.event_type for event in events)
    ended = kinds[EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED]
    return kinds[EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED] == ended


async def _card(world: World, workflow: str) -> str:
    metadata = await world.handle(workflow).query("__temporal_workflow_metadata")
    return str(metadata["currentDetails"] if isinstance(metadata, dict) else metadata)


async def _timer(world: World, incident: str) -> datetime:
    """When the latest timer of an incident's last run fires."""
    events = (await world.runs(incident))[-1]
    started = [e for e in events if e.event_type == EventType.EVENT_TYPE_TIMER_STARTED]
    assert started
    timer = started[-1].timer_started_event_attributes
    wait: timedelta = timer.start_to_fire_timeout.ToTimedelta()
    # A workflow's time is that at which its task was given out, however late the task was done.
    by_id = {event.event_id: event for event in events}
    done = by_id[timer.workflow_task_completed_event_id].workflow_task_completed_event_attributes
    return by_id[done.started_event_id].event_time.ToDatetime() + wait


async def test_a_desk_rolls_over_between_two_reports_and_answers_declarations(
    tmp_path: Path,
) -> None:
    """Alerts and declarations into a desk that rolls over all the time: all counted, all answered."""
    async with rolling(tmp_path, desk=40) as world:
        await world.start_desk()

        async def report(number: int) -> None:
            await world.report(*(an_alert(f"k{number}-{i}") for i in range(5)))

        async def declare(number: int) -> str:
            async def ask() -> str | None:
                try:
                    return await world.declare(key=f"declared-{number}")
                except RPCError as error:
                    if error.status.name == "NOT_FOUND":
                        raise
                    return None

            return str(await world.eventually(ask))

        ids: list[str] = []
        for first in range(0, 40, 5):
            _, *new = await asyncio.gather(
                asyncio.gather(*(report(n) for n in range(first, first + 5))),
                *(declare(n) for n in range(first, first + 5, 2)),
            )
            ids += new
        assert len(set(ids)) == len(ids) == 24
        assert [await declare(0), await declare(35)] == [ids[0], ids[21]]  # asked again
        existing = await asyncio.gather(*(world.status(incident) for incident in ids))
        assert all(view["status"] == "raised" for view in existing)

        async def all_counted() -> bool:
            return await alerts_of_all(world) == 200

        await world.eventually(all_counted, within=60)
        runs = await world.runs(desk_id("checkout"))
        assert len(runs) > 3
        assert await world.failed_tasks(desk_id("checkout")) == []


async def alerts_of_all(world: World) -> int:
    """Alerts that the incidents of checkout hold together."""
    status = await world.handle(desk_id("checkout")).query("status")
    numbers = range(1, status["next_number"])
    views = await asyncio.gather(*(world.status(f"checkout-{n}") for n in numbers))
    return sum(view.get("alert_count", 0) for view in views)

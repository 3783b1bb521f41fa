"""Whatever reaches a workflow by hand: it lives on, says what it refused, and takes the next good command."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowUpdateFailedError
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from domain.commands import COMMANDS
from domain.errors import REFUSALS
from domain.incident import Status
from domain.postmortem.commands import POSTMORTEM_COMMANDS
from tests.world import BIN, World, a_world, an_alert
from workflows.contract import desk_id, postmortem_id

pytestmark = pytest.mark.asyncio(loop_scope="module")

VALID: dict[str, dict[str, Any]] = {
    "acknowledge": {"actor": "alice"},
    "assess": {"symptoms": "timeouts"},
    "set_severity": {"severity": "SEV2", "reason": "smaller than thought"},
    "set_priority": {"priority": "P2", "reason": "another comes first"},
    "escalate": {"to": "person:dana", "reason": "knows the database"},
    "delegate": {"role": "tech_lead", "to": "bob"},
    "accept_role": {"actor": "bob", "role": "tech_lead"},
    "decline_role": {"actor": "bob", "role": "tech_lead"},
    "hand_over": {"role": "tech_lead", "to": "dana", "briefing": "read the notes"},
    "join": {"actor": "dana"},
    "leave": {"actor": "dana"},
    "publish_update": {"audience": "internal", "text": "still looking"},
    "approve_update": {"update": "u1"},
    "withdraw_update": {"update": "u1"},
    "release_message": {"message": "m1", "verdict": "drop"},
    "note": {"text": "something"},
    "observe": {"text": "something"},
    "add_theory": {"text": "the pool"},
    "resolve_theory": {"theory": "t1", "verdict": "refuted"},
    "add_experiment": {"text": "restart one"},
    "record_result": {"experiment": "e1", "text": "no change"},
    "link": {"target": "TICKET-1", "kind": "ticket"},
    "apply_policy": {},
    "resolve": {"summary": "rolled back"},
    "reopen": {"reason": "it is back"},
    "cancel": {"reason": "false alarm"},
}
"""One well-formed body for each command."""


def raw(data: bytes, **metadata: bytes) -> RawValue:
    return RawValue(Payload(metadata=metadata, data=data))


GARBAGE: dict[str, list[Any]] = {
    "no argument": [],
    "three arguments": [{"text": "a"}, "b", 3],
    "bad JSON": [raw(b'{"text": ', encoding=b"json/plain")],
    "bytes that are no text": [raw(b"\xff\xfe\x00", encoding=b"json/plain")],
    "an unknown encoding": [raw(b"??", encoding=b"binary/of-mine")],
    "no metadata": [raw(b"{}")],
    "metadata that is no text": [raw(b"{}", encoding=b"\xff\xfe")],
    "a list": [[1, 2]],
    "a word": ["please"],
    "null": [None],
    "wrong types": [{"actor": 7, "text": ["x"], "key": {}, "to": 3, "fields": 1, "action": []}],
    "a field that nobody knows": [{"colour": "red", "actor": "alice"}],
}


def huge(name: str) -> dict[str, list[Any]]:
    """Sizes that Temporal lets in and that no answer, fact or state may repeat in full."""
    return {
        "a huge text": [{"text": "x" * 1_400_000, "actor": "alice"}],
        "a huge actor": [{**VALID.get(name, {}), "actor": "x" * 1_400_000}],
        "a huge key": [{**VALID.get(name, {}), "key": "x" * 1_400_000}],
        "a huge field name": [{"y" * 1_400_000: 1}],
        "thousands of fields": [{f"field{i}": i for i in range(20_000)}],
        "a number of thousands of digits": [
            raw(b'{"text": 1' + b"0" * 6_000 + b"}", encoding=b"json/plain")
        ],
        "deep nesting": [
            raw(b'{"text": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", encoding=b"json/plain")
        ],
        "a NUL": [{"text": "a\x00b", "actor": "al\x00ice"}],
        "half a surrogate pair": [raw(b'{"text": "\\ud800"}', encoding=b"json/plain")],
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One Tocsin for all tests here; each works on incidents of its own."""
    async with a_world(tmp_path_factory.mktemp("handlers"), skipping=False) as made:
        yield made


async def refusal_of(world: World, workflow: str, name: str, args: list[Any]) -> ApplicationError:
    """Send an update that must be refused, and answer with the refusal."""

    async def ask() -> WorkflowUpdateFailedError | None:
        try:
            answer = await world.handle(workflow).execute_update(name, args=args)
        except WorkflowUpdateFailedError as error:
            return error
        except RPCError as error:
            if "aborted" in error.message or "Task in failed state" in error.message:
                return None  # a run was ending, or more came in than a task takes: ask again
            raise
        raise AssertionError(f"{name} was taken, and answered {answer}")

    error = await world.eventually(ask)
    assert isinstance(error.cause, ApplicationError)
    return error.cause


async def send_both_ways(
    world: World, workflow: str, names: list[str], kinds: dict[str, list[Any]], at_once: int = 6
) -> int:
    """Every command with every kind of garbage, as signal and as update; answers how many signals.

    A workflow takes ten updates at once, and the server ends one whose refusals, which repeat what
    was refused, come to 4 MB in one task: huge ones go one by one.
    """
    gate = asyncio.Semaphore(at_once)

    async def one(name: str, kind: str, args: list[Any]) -> None:
        async with gate:
            await world.signal(workflow, name, *args)
            error = await refusal_of(world, workflow, name, args)
            assert error.type in REFUSALS, (name, kind, error.type, error.message[:300])
            assert error.details[0]["problems"], (name, kind)
            assert len(error.message) <= 2_000

    jobs = [one(name, kind, args) for name in names for kind, args in kinds.items()]
    await asyncio.gather(*jobs)
    return len(jobs)


async def refused(world: World, workflow: str, count: int) -> list[dict[str, Any]]:
    """The refusals on the timeline, once there are as many."""

    async def look() -> list[dict[str, Any]]:
        found = await world.facts(workflow, "command_refused")
        return found if len(found) >= count else []

    found: list[dict[str, Any]] = await world.eventually(look, within=30)
    assert len(found) == count
    return found


async def lives_on(world: World, incident: str) -> None:
    """The next good command is answered in less than two seconds, and no task has failed."""
    began = time.monotonic()
    view = await world.command(incident, "note", "alice", text="still here")
    assert time.monotonic() - began < 10
    assert view["id"] == incident
    assert await world.failed_tasks(incident) == []


async def test_every_command_survives_garbage(world: World) -> None:
    """Each command, as update and as signal, with every kind of garbage: refused, told, nothing else."""
    incident = await world.declare()
    # What a field that nobody knows does to a command that takes none is the same refusal.
    sent = await send_both_ways(world, incident, list(COMMANDS), GARBAGE)
    found = await refused(world, incident, sent)
    assert {entry["data"]["command"] for entry in found} == set(COMMANDS)
    view = await world.status(incident)
    assert (view["status"], view["responders"], view["updates"]) == ("raised", [], [])
    await lives_on(world, incident)


async def test_sizes_that_no_payload_could_repeat_are_refused_in_short(world: World) -> None:
    """A megabyte as text, name, key or field: a short refusal, and the incident can still roll over."""
    incident = await world.declare()
    sent = await send_both_ways(world, incident, ["note"], huge("note"), at_once=1)
    found = await refused(world, incident, sent)
    assert all(len(json.dumps(entry)) < 10_000 for entry in found)
    assert all(len(entry["actor"]) <= 200 for entry in found)
    await world.eventually(lambda: _recorded(world, incident, found[-1]["seq"]))
    await lives_on(world, incident)


async def _recorded(world: World, incident: str, seq: int) -> bool:
    return bool(await asyncio.to_thread(world.records.timeline, incident, seq - 1, 1))


async def test_every_command_in_a_wrong_state_is_refused_with_what_is_allowed(
    world: World,
) -> None:
    """A well-formed command that the state forbids: the caller hears the state and what it allows."""
    assert set(VALID) == set(COMMANDS)
    for status in (Status.RAISED, Status.RESOLVED):
        incident = await world.declare(service="search")
        if status is Status.RESOLVED:
            await world.command(incident, "resolve", summary="gone")
        wrong = [name for name, command in COMMANDS.items() if status not in command.allowed]
        assert wrong
        for name in wrong:
            await world.signal(incident, name, VALID[name])
            error = await refusal_of(world, incident, name, [VALID[name]])
            assert error.type == "TransitionError"
            assert error.details[0]["status"] == status
            assert name not in error.details[0]["allowed"]
        found = await refused(world, incident, len(wrong))
        assert [entry["data"]["command"] for entry in found] == wrong
        assert all(str(status) in entry["text"] for entry in found)
        assert (await world.status(incident))["status"] == status
        assert await world.failed_tasks(incident) == []


async def test_ended_incidents_take_nothing_and_say_so(world: World) -> None:
    """After a cancellation there is no workflow to command: the caller hears that at once."""
    incident = await world.declare(service="database")
    await world.command(incident, "cancel", reason="false alarm")
    handle = world.handle(incident)
    await asyncio.wait_for(handle.result(), 30)
    for name, body in VALID.items():
        with pytest.raises(RPCError) as caught:
            await handle.execute_update(name, body, id=str(uuid.uuid4()))
        assert caught.value.status is RPCStatusCode.NOT_FOUND
        with pytest.raises(RPCError):
            await handle.signal(name, body)
    assert await world.facts(incident, "command_refused") == []


async def test_names_that_nobody_has_are_refused_with_the_nearest(world: World) -> None:
    """An unknown actor, person, role or severity: refused, told, and never half done."""
    incident = await world.declare()
    bodies: list[tuple[str, dict[str, Any], str]] = [
        ("acknowledge", {"actor": "alcie"}, "alice"),
        ("note", {"actor": "bobb", "text": "x"}, "bob"),
        ("delegate", {"role": "tech_lead", "to": "danaa"}, "dana"),
        ("delegate", {"role": "tech_led", "to": "dana"}, "tech_lead"),
        ("escalate", {"to": "team:payment", "reason": "x"}, "payments"),
        ("set_severity", {"severity": "SEV9", "reason": "x"}, "SEV1"),
    ]
    for name, body, near in bodies:
        await world.signal(incident, name, body)
        error = await refusal_of(world, incident, name, [body])
        assert error.type == "UnknownNameError"
        assert near in error.details[0]["problems"][0]["near"]
    await refused(world, incident, len(bodies))
    view = await world.status(incident)
    assert (view["status"], view["roles"], view["severity"]) == ("raised", [], "SEV1")
    for name in [n for n, command in COMMANDS.items() if command.needs_person]:
        body = {k: v for k, v in VALID[name].items() if k != "actor"}
        assert (await refusal_of(world, incident, name, [body])).type == "ActorRequiredError"
    await lives_on(world, incident)


async def test_unknown_signals_and_updates_are_visible(world: World) -> None:
    """A name that nobody registered is no silence: a fact for the signal, an error for the update."""
    incident = await world.declare()
    await world.signal(incident, "acknowlege", {"actor": "alice"})
    await world.signal(incident, "x" * 900)
    await world.signal(incident, "no\x00name", raw(b"\xff", encoding=b"odd"))
    found = await refused(world, incident, 3)
    assert found[0]["data"]["command"] == "acknowlege"
    assert '"alice"' in found[0]["data"]["sent"]
    error = await refusal_of(world, incident, "acknowlege", [{"actor": "alice"}])
    assert "acknowledge" in error.message
    await lives_on(world, incident)


async def test_alerts_of_a_wrong_shape_reach_the_timeline(world: World) -> None:
    """The signal that hands alerts over takes no garbage, and an alert of unknown severity counts."""
    incident = await world.declare()
    kinds = [*GARBAGE.values(), [[{"key": "a"}]], [{"key": "a"}], [7]]
    kinds += [[[an_alert().model_dump(mode="json") | {"raw": "x" * 1_400_000}]]]
    for args in kinds:
        await world.signal(incident, "alerts", *args)
    await refused(world, incident, len(kinds))
    odd = an_alert("odd", severity="SEV77").model_dump(mode="json")
    await world.signal(incident, "alerts", [odd, odd])
    view = await world.eventually(lambda: _with_alerts(world, incident, 2))
    assert view["severity"] == "SEV1"
    await lives_on(world, incident)


async def _with_alerts(world: World, incident: str, count: int) -> dict[str, Any] | None:
    view = await world.status(incident)
    return view if view.get("alert_count") == count else None


async def test_a_desk_survives_garbage_and_numbers_the_next_incident(world: World) -> None:
    """Reports, declarations and hand-backs of any shape: kept where the operator looks, nobody paged."""
    await world.start_desk("lab")
    desk = desk_id("lab")
    kinds = GARBAGE | huge("declare")
    for name in ("report", "declare", "settled", "reopened", "reprot"):
        for args in (kinds if name == "declare" else GARBAGE).values():
            await world.signal(desk, name, *args)
    for kind, args in kinds.items():
        error = await refusal_of(world, desk, "declare", args)
        assert error.type in REFUSALS, kind
    others = {
        "no summary": {"severity": "SEV1"},
        "another service": {"service": "checkout", "summary": "x"},
        "an unknown severity": {"summary": "x", "severity": "SEV9"},
        "an unknown actor": {"summary": "x", "actor": "nobody"},
        "an empty summary": {"summary": "  "},
    }
    for kind, body in others.items():
        assert (await refusal_of(world, desk, "declare", [body])).type in REFUSALS, kind
    await world.signal(desk, "declare", others["an unknown severity"])
    status = await world.handle(desk).query("status")
    assert status["open"] == []
    assert len(status["refused"]) == 50  # the last ones
    began = time.monotonic()
    assert await world.declare(service="lab") == "lab-1"
    assert time.monotonic() - began < 10
    assert await world.failed_tasks(desk) == []
    assert [m for m in world.outbox("page") if m["incident"].startswith("lab")] != []


async def test_a_report_too_large_to_start_an_incident_with_is_refused(world: World) -> None:
    """A batch that no incident could be started with must not keep the desk from its work for ever."""
    await world.start_desk("bulk")
    alerts = [an_alert(f"k{i}", service="bulk").model_dump(mode="json") for i in range(3_500)]
    short = [{k: v for k, v in alert.items() if v not in (None, [], "")} for alert in alerts]
    await world.signal(desk_id("bulk"), "report", {"key": "large", "alerts": short})
    await world.eventually(lambda: _refused_by_desk(world, "bulk", "bytes of alerts"))
    await world.report(an_alert(service="bulk"), service="bulk")
    await world.eventually(lambda: _with_alerts(world, "bulk-1", 1))
    assert await world.failed_tasks(desk_id("bulk")) == []


async def _refused_by_desk(world: World, service: str, words: str) -> bool:
    status = await world.handle(desk_id(service)).query("status")
    return any(words in text for text in status["refused"])


async def test_a_postmortem_survives_garbage(world: World) -> None:
    """Commands and messages of any shape on a postmortem: refused, told, and it goes on to its end."""
    incident = await world.declare(service="search")
    await world.command(incident, "acknowledge", "carol")
    await world.command(incident, "resolve", "carol", summary="index rebuilt")
    pm = postmortem_id(incident)
    await world.eventually(lambda: world.status(pm))
    names = [name for name in POSTMORTEM_COMMANDS if name not in ("edit", "approve", "close")]
    sent = await send_both_ways(world, pm, names, GARBAGE)
    sent += await send_both_ways(world, pm, ["edit"], huge("edit"), at_once=1)
    for args in [*GARBAGE.values(), [{"id": incident}], [{"id": "other-1"}]]:
        await world.signal(pm, "incident_resolved", *args)
        sent += 1
    for name, body in (("approve", {}), ("close", {}), ("compelte_action", {"action": "a1"})):
        await world.signal(pm, name, body)
        sent += 1
    await refused(world, pm, sent)
    assert (await refusal_of(world, pm, "approve", [{}])).type == "TransitionError"
    error = await refusal_of(world, pm, "edit", [{"fields": {"sumary": "x"}}])
    assert "summary" in error.details[0]["problems"][0]["detail"]
    view = await world.status(pm)
    assert (view["status"], view["incident"]["summary"]) == ("draft", "Checkout is down")
    began = time.monotonic()
    await world.postmortem(incident, "submit", "carol")
    assert time.monotonic() - began < 10
    assert await world.failed_tasks(pm) == []
    assert await world.failed_tasks(incident) == []


async def test_a_command_that_came_before_is_answered_whatever_the_state(world: World) -> None:
    """The same key again, as update or as signal, after everything has changed: answered, not repeated."""
    incident = await world.declare()
    await world.command(incident, "acknowledge", "alice", key="take-it")
    await world.command(incident, "resolve", "alice", summary="fixed", key="done")
    view = await world.command(incident, "acknowledge", "alice", key="take-it")
    assert view["status"] == "fixing"  # what it was answered then
    body = {"actor": "alice", "key": "take-it"}
    await world.signal(incident, "acknowledge", body)
    view = await world.handle(incident).execute_update("acknowledge", body, id="another-id")
    assert view["status"] == "resolved"
    assert len(await world.facts(incident, "acknowledged")) == 1
    assert await world.facts(incident, "command_refused") == []


async def temporal(world: World, *words: str) -> str:
    """Run the Temporal CLI against this world's server."""
    where = world.client.service_client.config.target_host
    process = await asyncio.create_subprocess_exec(
        str(BIN / "temporal"), *words, "--address", where,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, err.decode()
    return out.decode()


async def test_the_temporal_cli_runs_an_incident_with_only_the_worker_up(world: World) -> None:
    """From raised to resolved by `temporal workflow` alone: update, signal, query and list."""
    await world.start_desk("search")
    said = json.dumps({"summary": "Search is slow", "severity": "SEV2"})
    answer = await temporal(
        world, "workflow", "update", "execute", "--workflow-id", "desk/search", "--name", "declare",
        "--input", said, "-o", "json",
    )  # fmt: skip
    incident = json.loads(answer)["result"]["id"]
    at = ["--workflow-id", incident]

    async def update(name: str, **body: Any) -> Any:
        words = ["workflow", "update", "execute", *at, "--name", name, "-o", "json"]
        return json.loads(await temporal(world, *words, "--input", json.dumps(body)))["result"]

    async def signal(name: str, *args: str) -> None:
        given = [word for arg in args for word in ("--input", arg)]
        await temporal(world, "workflow", "signal", *at, "--name", name, *given)

    async def status() -> Any:
        words = ["workflow", "query", *at, "--type", "status", "-o", "json"]
        return json.loads(await temporal(world, *words))["queryResult"][0]

    await signal("acknowledge")  # as somebody does who has not read how
    await signal("acknowledge", '{"actor": "carol"}', '{"actor": "dana"}')
    assert (await status())["status"] == "raised"
    view = await update("acknowledge", actor="carol")
    assert (view["status"], view["incident_manager"]) == ("fixing", "carol")
    await signal("note", '{"actor": "dana", "text": "the index is being rebuilt"}')
    await signal("resolve", '{"actor": "carol", "summary": "index rebuilt"}')

    async def is_resolved() -> bool:
        return bool((await status())["status"] == "resolved")

    await world.eventually(is_resolved)
    query = f"IncidentService='search' AND IncidentStatus='resolved' AND WorkflowId='{incident}'"

    async def listed() -> bool:
        found = json.loads(
            await temporal(world, "workflow", "list", "--query", query, "-o", "json")
        )
        return [one["execution"]["workflowId"] for one in found] == [incident]

    await world.eventually(listed)
    facts = [entry["fact"] for entry in await world.timeline(incident)]
    assert facts.count("command_refused") == 2
    assert {"raised", "acknowledged", "noted", "resolved"} <= set(facts)
    assert await world.failed_tasks(incident) == []

"""Who gave a command, as the workflow sees it: on the real server, past the API, with forgeries."""

from __future__ import annotations

import asyncio
import base64
import json
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import pytest_asyncio
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowUpdateFailedError
from temporalio.common import RawValue

from domain.access.claims import LIFE, Claim, digest_of, joined, said_by
from domain.access.roles import AccessRole
from domain.access.tokens import SYSTEM, Principal, answering
from starter.access.actor_keys import ActorKey
from starter.access.signing import ClaimSigner, SigningLink, acting
from starter.temporal_link import RefusedError as LinkRefusedError
from tests.world import EXAMPLE, RefusedError, World, a_world
from workflows.contract import ROSTER_ID, desk_id, postmortem_id

pytestmark = pytest.mark.asyncio(loop_scope="module")

RESPONDER = Principal(
    by="token t_1 (laptop)", roles=frozenset({AccessRole.RESPONDER}), owner="alice"
)
MANAGER = RESPONDER.model_copy(update={"roles": frozenset({AccessRole.MANAGER})})


class Door:
    """A world, and an API beside it that signs with a key of its own."""

    def __init__(self, world: World, data: Path) -> None:
        self.world, self.data = world, data
        self.key = ActorKey(data)
        self.key.load()
        self.signer = ClaimSigner(self.key)
        self.link = SigningLink(world.client, self.signer)

    async def declare(self, service: str = "checkout", **fields: Any) -> str:
        key = str(uuid.uuid4())
        body = {"service": service, "severity": "SEV1", "summary": "Down", "key": key, **fields}
        with acting(SYSTEM):
            answer = await self.link.update_desk(service, "declare", body, key)
        return str(answer["id"])

    async def command(
        self, incident: str, name: str, principal: Principal = RESPONDER, **fields: Any
    ) -> dict[str, Any]:
        key = f"{name}/{uuid.uuid4()}"
        body = {"actor": "alice", **fields, "key": key}
        with acting(principal):
            return dict(await self.link.update(incident, name, body, key))

    def signed(
        self, subject: str, name: str, principal: Principal = RESPONDER, **fields: Any
    ) -> dict[str, Any]:
        body = {"actor": "alice", "key": f"{name}/{uuid.uuid4()}", **fields}
        with acting(principal):
            return self.signer.signed(subject, name, body)

    async def entries(self, incident: str, *names: str) -> list[dict[str, Any]]:
        return await self.world.facts(incident, *names)

    async def said(self, incident: str, name: str, text: str) -> dict[str, Any]:
        """The entry of a fact that holds these words, once it is there."""

        async def look() -> list[dict[str, Any]]:
            return [one for one in await self.entries(incident, name) if text in one["text"]]

        return (await self.world.eventually(look))[0]


def policy_with(file: Path, unsigned: str) -> Path:
    text = EXAMPLE.read_text(encoding="utf-8")
    file.write_text(f"{text}\naccess: {{unsigned: {unsigned}}}\n", encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def patient_link() -> Iterator[None]:
    """An answer that is late is not taken for one that never comes."""
    with mock.patch("starter.temporal_link.ANSWER_WITHIN", timedelta(seconds=30)):
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def marking(
    tmp_path_factory: pytest.TempPathFactory, patient_link: None
) -> AsyncIterator[Door]:
    """Unsigned commands are done and marked, which is the default."""
    data = tmp_path_factory.mktemp("marking")
    async with a_world(data, skipping=False) as world:
        yield Door(world, data)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def refusing(
    tmp_path_factory: pytest.TempPathFactory, patient_link: None
) -> AsyncIterator[Door]:
    """Unsigned commands are refused."""
    data = tmp_path_factory.mktemp("refusing")
    policy = policy_with(data / "policy.yaml", "refuse")
    async with a_world(data, skipping=False, policy=policy) as world:
        yield Door(world, data)


def forged(door: Door, incident: str, kind: str) -> dict[str, Any]:
    """The body of a note that nobody signed, made to look as if somebody had."""
    good = door.signed(incident, "note", text=kind)
    said, _, signature = good["claim"].partition(".")
    raw = json.loads(base64.urlsafe_b64decode(said + "=" * (-len(said) % 4)))
    stranger = ActorKey(door.data / "stranger")
    if kind == "another key under our id":
        stranger.load()
        mine = Claim(**raw)
        return {**good, "claim": joined(said_by(mine), stranger.sign(said_by(mine)))}
    if kind == "a key that nobody knows":
        stranger.load()
        mine = Claim(**raw | {"kid": stranger.kid})
        return {**good, "claim": joined(said_by(mine), stranger.sign(said_by(mine)))}
    if kind == "more roles":
        mine = Claim(**raw | {"roles": ["admin", "manager"]})
        encoded = base64.urlsafe_b64encode(said_by(mine)).decode().rstrip("=")
        return {**good, "claim": f"{encoded}.{signature}"}
    if kind == "expired":
        old = ClaimSigner(door.key, lambda: time.time() - LIFE.total_seconds() - 60)
        with acting(RESPONDER):
            return old.signed(incident, "note", {**good})
    return {
        "another body": {**good, "text": "another body, and another text"},
        "another person": {**good, "actor": "bob"},
        "one field more": {**good, "text": "one field more", "page": "x"}
        | ({"text": kind, "actor": "dana"}),
        "another key": {**good, "key": "note/another"},
        "of another incident": {**door.signed("checkout-99999", "note", text=kind)},
        "of another command": {
            **good,
            "claim": door.signed(incident, "observe", text=kind)["claim"],
        },
        "no claim": {name: value for name, value in good.items() if name != "claim"},
        "cut short": {**good, "claim": good["claim"][:-10]},
        "no signature": {**good, "claim": f"{said}."},
        "a number": {**good, "claim": 7},
        "a megabyte": {**good, "claim": "A" * 1_000_000},
    }[kind]


HALF_A_CHARACTER = "(half a character)"
"""Stands for a lone surrogate until the bytes are made."""

FORGERIES = {
    "another key under our id": "forged",
    "a key that nobody knows": "not known here",
    "more roles": "forged",
    "expired": "expired",
    "another body": "changed after",
    "another person": "alice's",
    "another key": "changed after",
    "of another incident": "for checkout-99999",
    "of another command": "for observe",
    "no claim": "did not come through the API",
    "cut short": "malformed",
    "no signature": "malformed",
    "a number": "malformed",
    "a megabyte": "malformed",
}


async def test_what_comes_through_the_api_bears_no_mark(marking: Door) -> None:
    """Declared, acknowledged, assessed, updated, resolved: signed, and nothing on the timeline says else."""
    incident = await marking.declare(actor="alice")
    await marking.command(incident, "acknowledge")
    await marking.command(incident, "assess", symptoms="slow")
    await marking.command(incident, "resolve", MANAGER, summary="rolled back")
    for entry in await marking.entries(incident):
        assert "unsigned" not in entry["data"], entry
        assert "unsigned" not in entry["text"]


async def test_the_workflow_checks_the_roles_again(marking: Door) -> None:
    """A claim of a responder does not resolve, whatever the API let through: 403, and nothing is done."""
    incident = await marking.declare()
    with pytest.raises(LinkRefusedError, match="needs the role manager; token t_1 ") as refused:
        await marking.command(incident, "resolve", summary="over")
    assert refused.value.kind == "ForbiddenError"
    body = {"audience": "external", "text": "We are down"}
    with pytest.raises(LinkRefusedError, match="external needs the role comms"):
        await marking.command(incident, "publish_update", MANAGER, **body)
    await marking.command(incident, "publish_update", audience="internal", text="We are down")
    assert (await marking.world.status(incident))["status"] == "raised"


async def test_a_signal_without_the_role_is_a_refusal_on_the_timeline(marking: Door) -> None:
    """What waited as a signal while no worker was up is checked as well."""
    incident = await marking.declare()
    body = marking.signed(incident, "resolve", summary="over")
    await marking.world.signal(incident, "resolve", body)
    entry = await marking.said(incident, "command_refused", "needs the role manager")
    assert entry["actor"] == "alice"
    assert body["claim"] not in json.dumps(entry)


@pytest.mark.parametrize("kind", FORGERIES)
async def test_a_forgery_is_done_as_unsigned(marking: Door, kind: str) -> None:
    """By default it is done, as it is without any claim, and the timeline says why nobody vouches."""
    incident = await marking.declare()
    await marking.world.signal(incident, "note", forged(marking, incident, kind))
    entry = await marking.said(incident, "noted", f"unsigned: {_why(FORGERIES[kind], kind)}")
    assert FORGERIES[kind] in entry["data"]["unsigned"]
    assert await marking.world.failed_tasks(incident) == []


@pytest.mark.parametrize("kind", FORGERIES)
async def test_a_forgery_is_refused_where_the_policy_says_so(refusing: Door, kind: str) -> None:
    """As a signal it is a refusal on the timeline, as an update 403; nothing else has happened."""
    incident = await refusing.declare()
    body = forged(refusing, incident, kind)
    await refusing.world.signal(incident, "note", body)
    entry = await refusing.said(incident, "command_refused", FORGERIES[kind])
    assert "through the API" in entry["text"]
    with pytest.raises(RefusedError, match="was not signed") as refused:
        await refusing.world.command(incident, "note", **body)
    assert refused.value.kind == "ForbiddenError"
    assert await refusing.entries(incident, "noted") == []
    await refusing.command(incident, "note", text="signed")
    assert len(await refusing.entries(incident, "noted")) == 1


def _why(words: str, kind: str) -> str:
    """How the reason begins; what it names of the claim differs."""
    return {
        "forged": "its claim is forged", "not known here": "its claim is signed",
        "expired": "its claim has expired", "changed after": "it was changed",
        "malformed": "its claim is malformed",
        "did not come through the API": "it did not come through the API",
    }.get(words, "its claim is")  # fmt: skip


async def test_a_claim_counts_once(marking: Door) -> None:
    """Sent again under its key nothing happens twice; a copy on another incident is unsigned there."""
    first, second = await marking.declare(), await marking.declare()
    body = marking.signed(first, "note", text="only once")
    for _ in range(3):
        await marking.world.signal(first, "note", body)
    await marking.world.signal(second, "note", body)
    await marking.said(second, "noted", "only once (unsigned")
    await marking.said(first, "noted", "only once")
    assert len(await marking.entries(first, "noted")) == 1


async def test_declared_by_hand_is_marked_from_its_first_fact(marking: Door) -> None:
    """A declaration typed into the Temporal UI: it pages as any other, and `raised` says so."""
    incident = await marking.world.declare(service="search", actor="dana")
    raised = (await marking.entries(incident, "raised"))[0]
    assert "unsigned: it did not come through the API" in raised["text"]
    await marking.said(incident, "step_paged", "")


async def test_declared_by_hand_is_refused_where_the_policy_says_so(refusing: Door) -> None:
    """The desk takes a signed declaration and no other."""
    with pytest.raises(RefusedError, match="declare was not signed") as refused:
        await refusing.world.declare(service="search")
    assert refused.value.kind == "ForbiddenError"
    assert await refusing.declare("search", summary="signed")


async def test_maintenance_and_roster_check_it_too(refusing: Door, marking: Door) -> None:
    """Silencing a service, and who is on call: refused, or marked beside who did it."""
    window = {"minutes": 5, "reason": "planned"}
    override = {
        "schedule": "payments", "from": "2030-01-01T09:00", "to": "2030-01-01T10:00",
        "person": "bob",
    }  # fmt: skip
    await refusing.declare()
    with pytest.raises(RefusedError, match="add_maintenance was not signed"):
        await refusing.world.command(desk_id("checkout"), "add_maintenance", **window)
    key = str(uuid.uuid4())
    with acting(MANAGER):
        body = {**window, "actor": "alice", "key": key}
        made = await refusing.link.update_desk("checkout", "add_maintenance", body, key)
        body = {**override, "actor": "alice", "key": key}
        added = await refusing.link.update_roster("add_override", body, key)
    assert made["window"]["by"] == "alice"
    assert added["added"][0]["actor"] == "alice"
    later = {"from": "2031-01-01T09:00", "to": "2031-01-01T10:00"}
    with pytest.raises(RefusedError, match="add_override was not signed"):
        await refusing.world.command(ROSTER_ID, "add_override", "alice", **override | later)
    body = {**window, "actor": "alice", "key": "k2"}
    with acting(RESPONDER), pytest.raises(LinkRefusedError, match="role manager or admin"):
        await refusing.link.update_desk("checkout", "add_maintenance", body, "k2")
    await marking.declare()
    by_hand = await marking.world.command(desk_id("checkout"), "add_maintenance", **window)
    assert by_hand["window"]["by"] == "operator (unsigned)"
    await marking.link.signal_roster("refresh", {})
    made = await marking.world.command(ROSTER_ID, "add_override", "alice", **override)
    assert made["added"][0]["actor"] == "alice (unsigned)"


async def test_answers_from_outside_and_the_systems_own_word_go_on(refusing: Door) -> None:
    """Where unsigned is refused, a page is still answered by its link, and alerts still page."""
    await refusing.world.report(_alert("search"), service="search")
    incident = await refusing.world.eventually(lambda: _paged(refusing))
    key = f"answer/{uuid.uuid4()}"
    with acting(answering("carol", "link")):
        body = {"actor": "carol", "via": "link", "key": key}
        view = await refusing.link.update(incident, "acknowledge", body, key)
    assert view["incident_manager"] == "carol"
    assert await refusing.entries(incident, "command_refused") == []


def _alert(service: str) -> Any:
    from tests.world import an_alert

    return an_alert(f"k-{uuid.uuid4()}", service=service)


async def _paged(door: Door) -> str:
    desk = await door.world.handle(desk_id("search")).query("status")
    return str(desk["open"][-1]["id"]) if desk["open"] else ""


async def test_a_new_key_is_learned_by_an_open_incident(marking: Door) -> None:
    """The API's host got another key: the first command signed with it is looked up, once, and holds."""
    incident = await marking.declare()
    await marking.command(incident, "note", text="old key")
    old = marking.key.kid
    (marking.data / "access" / "actor-key").unlink()
    marking.__init__(marking.world, marking.data)  # type: ignore[misc]
    assert marking.key.kid != old
    await marking.command(incident, "note", text="new key")
    await marking.command(incident, "note", text="new key again")
    assert all("unsigned" not in one["data"] for one in await marking.entries(incident, "noted"))


async def test_a_key_that_was_taken_out_is_forgotten(marking: Door) -> None:
    """A stolen key: out of the file, and the next look-up of the incident drops it."""
    incident = await marking.declare()
    stolen = ClaimSigner(marking.key)
    (marking.data / "access" / "actor-key").unlink()
    (marking.data / "access" / "actor-keys.json").unlink()
    marking.__init__(marking.world, marking.data)  # type: ignore[misc]
    await marking.command(incident, "note", text="with the new key")
    with acting(RESPONDER):
        body = stolen.signed(incident, "note", {"actor": "alice", "text": "stolen", "key": "k"})
    await marking.world.signal(incident, "note", body)
    assert "not known here" in (await marking.said(incident, "noted", "stolen"))["text"]


async def test_the_postmortem_checks_it_too(refusing: Door) -> None:
    """Weeks later the same holds: unsigned is refused, a responder does not approve."""
    incident = await refusing.declare()
    await refusing.command(incident, "acknowledge")
    await refusing.command(incident, "resolve", MANAGER, summary="rolled back")
    postmortem = postmortem_id(incident)
    await refusing.world.eventually(lambda: refusing.world.status(postmortem))
    with pytest.raises(RefusedError, match="submit was not signed"):
        await refusing.world.command(postmortem, "submit", "alice")
    await refusing.command(postmortem, "submit")
    with pytest.raises(LinkRefusedError, match="approve needs the role manager"):
        await refusing.command(postmortem, "approve")
    assert (await refusing.command(postmortem, "approve", MANAGER))["status"] == "approved"


@pytest.mark.parametrize("world", ["marking", "refusing"])
async def test_three_hundred_malformed_messages_park_nothing(
    request: pytest.FixtureRequest, world: str
) -> None:
    """300 updates and signals with every kind of claim: no task fails, and the next acknowledgement is
    answered within two seconds."""
    door: Door = request.getfixturevalue(world)
    incident = await door.declare()
    kinds = [kind for kind in FORGERIES if kind != "a megabyte"]
    gate = asyncio.Semaphore(6)

    shapes: list[Any] = [None, {"a": 1}, [[]], HALF_A_CHARACTER, "é.é", ".", "a" * 5_000]

    async def one(number: int) -> None:
        body = forged(door, incident, kinds[number % len(kinds)])
        if number % 3:
            body["claim"] = shapes[number % len(shapes)]
        # As bytes: a client of ours could not even send some of these.
        sent = json.dumps(body).replace(HALF_A_CHARACTER, "\\ud800")
        payload = RawValue(Payload(metadata={"encoding": b"json/plain"}, data=sent.encode()))
        async with gate:
            if number % 2:
                await door.world.signal(incident, "note", payload)
                return
            with suppress(WorkflowUpdateFailedError):  # that is one way of being refused
                await door.world.handle(incident).execute_update("note", payload)

    await asyncio.gather(*(one(number) for number in range(300)))
    began = time.monotonic()
    view = await door.command(incident, "acknowledge")
    assert time.monotonic() - began < 10
    assert view["incident_manager"] == "alice"
    assert await door.world.failed_tasks(incident) == []


async def test_signing_adds_no_event(
    marking: Door, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The history of an acknowledged incident is as long with claims as without."""

    signed = await marking.declare()
    await marking.command(signed, "acknowledge")
    async with a_world(tmp_path_factory.mktemp("without"), skipping=False) as plain:
        unsigned = await plain.declare()
        await plain.command(unsigned, "acknowledge", "alice")

        async def lengths() -> list[int]:
            return [await _length(marking.world, signed), await _length(plain, unsigned)]

        async def are_the_same_and_stay_so() -> bool:
            before = await lengths()
            await asyncio.sleep(0.7)
            return len({*before, *await lengths()}) == 1

        await plain.eventually(are_the_same_and_stay_so)


async def _length(world: World, incident: str) -> int:
    history = (await world.runs(incident))[0]
    return len([event for event in history if not _is_of_a_task(event)])


def _is_of_a_task(event: HistoryEvent) -> bool:
    """A worker's turn, or the mark of one: how many there are depends on what comes together."""
    changes = event.upsert_workflow_search_attributes_event_attributes.search_attributes
    return (
        event.event_type
        in (
            EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
            EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
            EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
            EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED,
        )
        or event.marker_recorded_event_attributes.marker_name == "core_patch"
        or "TemporalChangeVersion" in changes.indexed_fields
    )


async def test_checking_takes_a_moment(marking: Door) -> None:
    """Far less than a workflow's task: what a storm of acknowledgements costs stays what it was."""
    from datetime import UTC, datetime

    from domain.access.claims import Asked, Trust, presented
    from starter.access.actor_keys import read_actor_keys
    from workflows.claims import admit

    body = marking.signed("checkout-1", "note", text="x" * 200)
    trust = Trust(actor_keys=dict(read_actor_keys(marking.data)), unsigned="refuse")
    asked = Asked(subject="checkout-1", verb="note", actor="alice", key=body["key"])
    now = datetime.now(UTC)
    assert digest_of(body)
    began = time.thread_time()  # of this thread alone, however busy the machine is
    for _ in range(200):
        assert admit(trust, asked, presented(body), body, now) == ""
    each = timedelta(seconds=(time.thread_time() - began) / 200)
    print(f"one check takes {each.total_seconds() * 1000:.3f} ms")
    assert each < timedelta(milliseconds=15)

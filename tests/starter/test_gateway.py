"""The gateway: answers in time or accepts, asks the records where a workflow is gone, loses nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from domain.alert import Alert
from domain.errors import TransitionError
from domain.grouping import rule_of
from domain.recording import RecordBatch
from domain.timeline import Entry
from records.database import RecordsUnavailableError
from starter.gateway import Accepted, Answered, Gateway, NoSuchIncidentError, is_incident_id
from starter.records_access import RecordsAccess
from starter.temporal_link import GatewayUnavailableError, NotAnsweredError, RefusedError
from tests.starter.fakes import NOW, FakeTemporal
from workflows.contract import ReportBatch

DECLARED = {"service": "checkout", "severity": "SEV1", "summary": "Cards", "actor": "operator"}
AWAY = GatewayUnavailableError("Temporal is away")
SILENT = NotAnsweredError("no worker is up")


@pytest.fixture
async def incident_id(gateway: Gateway) -> str:
    answer = await gateway.declare(DECLARED)
    assert isinstance(answer, Answered)
    return str(answer.view["id"])


def test_ids_of_incidents():
    """Everything else never reaches Temporal."""
    assert is_incident_id("checkout-17")
    assert is_incident_id("a-b-c-1")
    bad = ("desk/checkout", "checkout", "checkout-", "checkout-0", "Checkout-1", "-1", "a-1/x", "")
    assert not any(is_incident_id(text) for text in bad)


async def test_declaration_is_answered_with_the_incident(gateway, temporal):
    """The key is the update's id and stands in the body, for whoever gets it as a signal."""
    answer = await gateway.declare(DECLARED, "key-1")
    assert isinstance(answer, Answered)
    assert answer.view["id"] == "checkout-1"
    _, name, body, key = temporal.updates[0]
    assert (name, key, body["key"]) == ("declare", "key-1", "key-1")
    again = await gateway.declare(DECLARED, "key-1")
    assert isinstance(again, Answered)
    assert again.view["id"] == "checkout-1"


async def test_read_after_write(gateway, incident_id, temporal):
    """The records hold what was answered, so that lists show it at once."""
    await gateway.command(incident_id, "acknowledge", {"actor": "alice"})
    temporal.query_error = AWAY
    view = await gateway.incident(incident_id)
    assert view["status"] == "fixing"
    assert view["rank"] == {"position": 1, "of": 1}
    listed, _ = gateway.records.reader.incidents()
    assert [one["status"] for one in listed] == ["fixing"]


async def test_no_worker_means_accepted(gateway, incident_id, temporal):
    """After the wait the same thing is left as a signal, under the same key."""
    temporal.update_error = SILENT
    answer = await gateway.command(incident_id, "note", {"text": "x", "actor": "bob"}, "key-2")
    assert answer == Accepted()
    body = {"text": "x", "actor": "bob", "key": "note/key-2"}
    assert temporal.signals == [(incident_id, "note", body)]
    assert await gateway.declare(DECLARED, "key-3") == Accepted()
    assert temporal.signals[-1] == ("desk/checkout", "declare", {**DECLARED, "key": "key-3"})


async def test_declared_and_then_silent(gateway, temporal):
    """The incident exists though it cannot be read: its id is answered."""
    temporal.query_error = SILENT
    assert await gateway.declare(DECLARED) == Accepted(id="checkout-1")


async def test_temporal_away(gateway, incident_id, temporal):
    """Nothing was kept, and the caller is told so; reads go on from the records."""
    temporal.update_error = temporal.signal_error = temporal.query_error = AWAY
    with pytest.raises(GatewayUnavailableError):
        await gateway.command(incident_id, "note", {"text": "x"})
    with pytest.raises(GatewayUnavailableError):
        await gateway.declare(DECLARED)
    with pytest.raises(GatewayUnavailableError):
        await gateway.report("checkout", [])
    assert (await gateway.incident(incident_id))["id"] == incident_id
    with pytest.raises(GatewayUnavailableError):
        await gateway.incident("checkout-99")


async def test_refusal(gateway, incident_id):
    """A workflow's no comes with the state and what is allowed."""
    with pytest.raises(RefusedError) as caught:
        await gateway.command(incident_id, "reopen", {"reason": "x", "actor": "alice"})
    assert caught.value.status == "raised"
    assert "resolve" in caught.value.allowed


async def test_workflow_gone_after_the_end(gateway, incident_id, temporal):
    """Known and over: the state forbids it. Never known: not found."""
    await gateway.command(incident_id, "cancel", {"reason": "x", "actor": "alice"}, "cancel-1")
    temporal.end(incident_id)
    with pytest.raises(TransitionError) as caught:
        await gateway.command(incident_id, "note", {"text": "x"})
    assert caught.value.status == "cancelled"
    assert (await gateway.incident(incident_id))["status"] == "cancelled"
    with pytest.raises(NoSuchIncidentError):
        await gateway.command("checkout-99", "note", {"text": "x"})
    with pytest.raises(NoSuchIncidentError):
        await gateway.incident("checkout-99")
    with pytest.raises(NoSuchIncidentError):
        await gateway.timeline("checkout-99")


async def test_retry_of_an_answered_command_after_the_end(gateway, incident_id, temporal, records):
    """The retry of the last command is answered and not refused: the records know its key."""
    await gateway.command(incident_id, "cancel", {"reason": "x", "actor": "alice"}, "cancel-1")
    temporal.end(incident_id)
    batch = RecordBatch(
        subject="incident", id=incident_id, version=2, results={"cancel/cancel-1": {"seq": 2}}
    )
    records._writer.write(batch)
    answer = await gateway.command(incident_id, "cancel", {"reason": "x"}, "cancel-1")
    assert isinstance(answer, Answered)
    assert answer.view["status"] == "cancelled"


@pytest.mark.parametrize("bad", ["desk/checkout", "checkout-1/postmortem", "../x", "DESK", ""])
async def test_other_workflows_are_out_of_reach(gateway, temporal, bad):
    """A path cannot name a desk or anything else that runs in Temporal."""
    calls: list[Any] = [
        gateway.command(bad, "note", {}),
        gateway.incident(bad),
        gateway.timeline(bad),
        gateway.postmortem(bad),
        gateway.postmortem_command(bad, "edit", {}),
    ]
    for call in calls:
        with pytest.raises(NoSuchIncidentError):
            await call
    assert temporal.updates == []


async def test_records_away(gateway, temporal, tmp_path):
    """Commands are answered all the same; what only the records know cannot be read."""
    (tmp_path / "records.db").rename(tmp_path / "moved.db")
    (tmp_path / "records.db").mkdir()
    answer = await gateway.declare(DECLARED)
    assert isinstance(answer, Answered)
    incident_id = answer.view["id"]
    assert isinstance(
        await gateway.command(incident_id, "acknowledge", {"actor": "alice"}), Answered
    )
    assert (await gateway.incident(incident_id))["status"] == "fixing"
    assert len((await gateway.timeline(incident_id))[0]) == 2
    temporal.query_error = SILENT
    with pytest.raises(RecordsUnavailableError):
        await gateway.incident(incident_id)
    with pytest.raises(RecordsUnavailableError):
        await gateway.timeline(incident_id)


def record(gateway: Gateway, temporal: FakeTemporal, incident_id: str, count: int) -> None:
    """The first facts reach the records, and the workflow forgets some of them."""
    entries = temporal.timelines[incident_id][:count]
    batch = RecordBatch(subject="incident", id=incident_id, version=1, entries=entries)
    gateway.records._writer.write(batch)


async def test_timeline_of_records_and_workflow_is_one(gateway, incident_id, temporal):
    """Each fact once and in order, whoever holds it, page by page."""
    for number in range(9):
        await gateway.command(incident_id, "note", {"text": str(number), "actor": "bob"})
    record(gateway, temporal, incident_id, 6)
    temporal.timelines[incident_id] = temporal.timelines[incident_id][4:]
    entries, more = await gateway.timeline(incident_id)
    assert [entry.seq for entry in entries] == list(range(1, 11))
    assert more is None
    seen: list[int] = []
    after: int | None = 0
    while after is not None:
        page, after = await gateway.timeline(incident_id, after, 4)
        seen += [entry.seq for entry in page]
    assert seen == list(range(1, 11))
    assert [e.seq for e in await gateway.whole_timeline(incident_id)] == list(range(1, 11))


async def test_last_page_has_no_next(gateway, incident_id, temporal):
    """A page that holds exactly the rest ends the list."""
    await gateway.command(incident_id, "note", {"text": "x", "actor": "bob"})
    record(gateway, temporal, incident_id, 2)
    temporal.query_error = SILENT
    assert [e.seq for e in (await gateway.timeline(incident_id, 0, 2))[0]] == [1, 2]
    assert (await gateway.timeline(incident_id, 0, 2))[1] is None
    assert (await gateway.timeline(incident_id, 0, 1))[1] == 1
    assert await gateway.timeline(incident_id, 2) == ([], None)


async def test_report_is_one_batch(gateway, temporal):
    """All alerts in one signal, with a key, and by the service's way of folding."""
    alert = Alert(
        id="1",
        key="k",
        status="firing",  # type: ignore[arg-type]
        integration="test",
        service="checkout",
        summary="x",
        received_at=NOW,
    )
    await gateway.report("checkout", [alert, alert])
    workflow_id, name, body = temporal.signals[0]
    batch = ReportBatch.model_validate(body)
    assert (workflow_id, name, batch.fold) == ("desk/checkout", "report", "service")
    assert batch.alerts == [alert, alert]
    assert body["key"]


async def test_a_report_carries_the_services_rule(gateway, temporal, monkeypatch):
    """The front knows the policy, the desk does not: grouping and flapping ride with the alerts."""
    rule = {"grouping": {"window": "10m", "labels": ["cluster"]}, "reopen_within": "15m"}
    version, policy = gateway.policies.current()
    raw = policy.model_dump(mode="json", by_alias=True)
    raw["services"]["checkout"] |= rule
    changed = type(policy).model_validate(raw)
    monkeypatch.setattr(gateway.policies, "current", lambda: (version, changed))
    alert = Alert(
        id="1", key="k", status="firing", integration="test", service="checkout", summary="x",
        received_at=NOW,
    )  # fmt: skip
    await gateway.report("checkout", [alert])
    (_, _, body) = temporal.signals[0]
    sent = ReportBatch.model_validate(body).rule
    assert sent == rule_of(changed.service("checkout"))
    assert sent.grouping is not None


async def test_postmortem(gateway, incident_id, temporal):
    """Commands and reads of a postmortem; its answered view is kept."""
    with pytest.raises(NoSuchIncidentError):
        await gateway.postmortem(incident_id)
    with pytest.raises(NoSuchIncidentError):
        await gateway.postmortem_command(incident_id, "submit", {})
    temporal.postmortems[f"{incident_id}/postmortem"] = {"status": "draft", "version": 1}
    assert (await gateway.postmortem(incident_id))["status"] == "draft"
    answer = await gateway.postmortem_command(incident_id, "submit", {"actor": "bob"})
    assert isinstance(answer, Answered)
    temporal.query_error = SILENT
    assert (await gateway.postmortem(incident_id))["version"] == 2
    temporal.postmortems.clear()
    with pytest.raises(TransitionError):
        await gateway.postmortem_command(incident_id, "submit", {"actor": "bob"})


async def test_a_receipt_of_a_message_for_several_incidents_reaches_all_of_them(
    gateway: Gateway, temporal: FakeTemporal, records: RecordsAccess
) -> None:
    """The vendor knows of one page; the others that left in the same message hear the same."""
    at = datetime(2026, 11, 24, 14, 7, tzinfo=UTC)
    for service in ("checkout", "search"):
        await gateway.declare({**DECLARED, "service": service})
        incident = f"{service}-1"
        delivery = {
            "key": f"{incident}/k", "recipient": "person:alice", "channel": "sms", "state": "sent",
            "bundle": "alice/1",
        }  # fmt: skip
        fact = Entry(
            seq=1, at=at, fact="page_sent", actor="tocsin", text="t",
            data={"person": "alice", "purpose": "page", "deliveries": [delivery]},
        )  # fmt: skip
        records._writer.write(
            RecordBatch(subject="incident", id=incident, version=1, entries=[fact])
        )
    await gateway.receipt("checkout-1", "checkout-1/k", "delivered", "")
    told = [
        (who, body["key"]) for who, name, body in temporal.signals if name == "delivery_receipt"
    ]
    assert told == [("checkout-1", "checkout-1/k"), ("search-1", "search-1/k")]

"""The small steps: our own updates, open communications, what is known, records, policy and numbers."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.announcing import Announcer
from activities.assess import Assessing
from activities.channels.outbox import Outbox
from activities.delivery import Postman
from activities.follow_up import FollowingUp
from activities.looking_up import RecordsLookUp
from activities.open_comms import Opening
from activities.policy import Pinning
from activities.record import Recording
from domain.messages import (
    ComposeUpdate,
    DeliveryState,
    FindKnown,
    OpenChannels,
    PinPolicy,
)
from domain.policy.model import Policy
from domain.priority import OpenIncident
from domain.recording import RecordBatch, Recorded
from templates.renderer import Renderer
from tests.fakes.organisation import (
    NOW,
    FixedPolicy,
    FixedRecords,
    a_clock,
    a_policy,
    a_view,
    an_outgoing,
)


def _following(
    tmp_path: Path, policy: FixedPolicy | None = None, templates: Path | None = None
) -> FollowingUp:
    policy = policy or FixedPolicy(a_policy())
    renderer = Renderer([templates] if templates else [])
    postman = Postman("outbox", {}, Outbox(tmp_path / "outbox"), a_clock)
    return FollowingUp(policy, renderer, Announcer(policy, renderer, postman, a_clock), a_clock)


def _compose(audience: str, variant: str, **changes: Any) -> ComposeUpdate:
    return ComposeUpdate(incident=a_view(**changes), audience=audience, variant=variant)


async def test_the_initial_updates_promise_the_next_one(tmp_path: Path) -> None:
    """Both say when more comes: one interval of the severity from now."""
    internal = await _following(tmp_path).compose_update(_compose("internal", "initial"))
    assert internal.text.startswith("checkout-17 - SEV1 - Card payments are refused")
    assert "Room: checkout-17" in internal.text
    assert "Incident manager: alice" in internal.text
    assert "Next update: 2026-11-24 14:27 UTC" in internal.text
    external = await _following(tmp_path).compose_update(_compose("external", "initial"))
    assert external.text.startswith("Investigating issues with Checkout")
    assert "Next update at 2026-11-24 14:27 UTC" in external.text
    assert "Card payments" not in external.text
    assert internal.faults == external.faults == []
    # The interval counts from Temporal's time, whatever the worker's clock says.
    asked = _compose("external", "initial").model_copy(update={"at": NOW + timedelta(hours=2)})
    later = await _following(tmp_path).compose_update(asked)
    assert "Next update at 2026-11-24 16:27 UTC" in later.text


async def test_the_final_updates_end_it(tmp_path: Path) -> None:
    """Inside: impact, duration, support cases. Outside: restored, and nothing of the resolution."""
    changes = {
        "status": "resolved",
        "resolution": "Certificate of pay-db-7 renewed",
        "impact_ended_at": "2026-11-24T15:31:00Z",
    }
    internal = await _following(tmp_path).compose_update(_compose("internal", "final", **changes))
    for part in ("no more updates", "1 h 29 min", "Support cases: 12", "Nobody can pay by card"):
        assert part in internal.text
    external = await _following(tmp_path).compose_update(_compose("external", "final", **changes))
    assert "restored" in external.text
    assert "no more updates" in external.text
    assert "pay-db-7" not in external.text


@pytest.mark.parametrize("audience", ["internal", "external"])
@pytest.mark.parametrize("variant", ["initial", "final"])
async def test_a_text_is_composed_in_spite_of_everything(
    tmp_path: Path, audience: str, variant: str
) -> None:
    """No policy, a broken template, a view with holes: a built-in text and the faults."""
    (tmp_path / "update_text").mkdir()
    (tmp_path / "update_text" / f"{audience}_{variant}.txt.j2").write_text("{{ missing }}")
    following = _following(tmp_path, FixedPolicy(None), tmp_path)
    done = await following.compose_update(
        ComposeUpdate(incident={"service": "checkout"}, audience=audience, variant=variant)
    )
    assert done.text
    assert len(done.faults) == 2


def _opening(**channels: Any) -> Opening:
    return Opening(FixedPolicy(a_policy(channels=channels)), Renderer())


async def test_channels_open_as_the_policy_says() -> None:
    """Room, bridge and document are named by the policy's own templates."""
    opening = _opening(room="inc-{{ id }}", bridge="https://meet/{{ service }}-{{ severity }}")
    done = await opening.open_comms(OpenChannels(incident=a_view(), topic="SEV1 fixing"))
    assert (done.room, done.topic) == ("inc-checkout-17", "SEV1 fixing")
    assert done.bridge == "https://meet/checkout-SEV1"
    assert done.document is None
    assert done.status_page
    assert done.faults == []


async def test_a_process_may_open_less() -> None:
    """A private incident opens a room and nothing public."""
    policy = a_policy(
        processes={"security": {"channels": ["room"]}}, channels={"bridge": "https://meet"}
    )
    done = await Opening(FixedPolicy(policy), Renderer()).open_comms(
        OpenChannels(incident=a_view(type="security"), topic="")
    )
    assert (done.room, done.bridge, done.status_page) == ("checkout-17", None, False)


async def test_a_broken_name_leaves_out_one_place() -> None:
    """The room then has the incident's name; each fault names its field."""
    opening = _opening(
        room="{{ oops }}", bridge="{{ id.__class__ }}", document="https://d/{{ id }}"
    )
    done = await opening.open_comms(OpenChannels(incident=a_view(), topic=""))
    assert (done.room, done.bridge) == ("checkout-17", None)
    assert done.document == "https://d/checkout-17"
    assert len(done.faults) == 2
    without = await Opening(FixedPolicy(None), Renderer()).open_comms(
        OpenChannels(incident=a_view(), topic="")
    )
    assert (without.room, without.status_page, len(without.faults)) == ("checkout-17", False, 1)


async def test_what_is_known_is_offered() -> None:
    """Start, alerts, what is open on dependencies, runbooks; articles that were linked count too."""
    view = a_view(links=[{"target": "https://kb/1", "kind": "article"}])
    request = FindKnown(incident=view, depends_on=["database"], runbooks=["https://r/1"])
    done = await Assessing(RecordsLookUp(FixedRecords(), 30.0)).assess(request)
    assert done.known == {
        "started_at": "2026-11-24T14:02:00Z",
        "alert_count": 3,
        "runbooks": ["https://r/1", "https://kb/1"],
        "open_dependencies": [{"id": "database-4", "service": "database"}],
    }


async def test_the_assessment_does_not_wait_for_the_records() -> None:
    """Records that hang leave out one answer, and say so."""
    hanging = FixedRecords(hang_seconds=20)
    records = RecordsLookUp(hanging, 0.05)
    started = time.monotonic()
    done = await Assessing(records).assess(FindKnown(incident=a_view(), depends_on=["database"]))
    took = time.monotonic() - started
    hanging.over.set()
    assert took < 15
    assert "open_dependencies" not in done.known
    assert "no answer in time" in done.faults[0]


class _Writer:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def write(self, batch: RecordBatch) -> Recorded:
        if self.error is not None:
            raise self.error
        return Recorded(up_to_seq=batch.version)


async def test_a_batch_is_written_and_held() -> None:
    """The answer waits for a moment after the write, so that the next batch holds more."""
    batch = RecordBatch(subject="incident", id="checkout-17", version=3)
    started = time.monotonic()
    assert (await Recording(_Writer(), hold_seconds=0.1).record(batch)).up_to_seq == 3
    assert time.monotonic() - started >= 0.1


async def test_a_batch_that_can_never_be_stored_is_not_retried() -> None:
    """A wrong view ends the attempts; a database that is away does not."""
    batch = RecordBatch(subject="incident", id="checkout-17", version=3)
    with pytest.raises(ApplicationError) as caught:
        await Recording(_Writer(ValueError("no service"))).record(batch)
    assert caught.value.non_retryable
    with pytest.raises(OSError, match="away"):
        await Recording(_Writer(OSError("away"))).record(batch)


def _pinning(tmp_path: Path, records: FixedRecords, policy: Policy | None = None) -> Pinning:
    return Pinning(
        FixedPolicy(policy or a_policy()),
        RecordsLookUp(records, 0.1 if records.hang_seconds else 30.0),
        Outbox(tmp_path / "outbox"),
        lambda incident: f"https://tocsin.example.com/i/{incident}",
    )


async def test_an_incident_pins_its_slice_and_its_link(tmp_path: Path) -> None:
    """The slice names its version and no contact; the link is made from the id."""
    pinning = _pinning(tmp_path, FixedRecords())
    done = await pinning.pin_policy(PinPolicy(service="checkout", incident_id="checkout-17"))
    assert (done.policy.version, done.policy.service_name) == ("0123456789ab", "Checkout")
    assert done.url == "https://tocsin.example.com/i/checkout-17"
    assert "example.com" not in done.policy.model_dump_json()
    assert (await pinning.pin_policy(PinPolicy(service="checkout"))).url == ""


async def test_numbers_go_on_after_the_highest_known(tmp_path: Path) -> None:
    """Records and outbox both count; the higher one wins."""
    three = [
        OpenIncident(id=f"checkout-{n}", priority="P1", severity="SEV1", raised_at=NOW)
        for n in range(3)
    ]
    pinning = _pinning(tmp_path, FixedRecords(*three))
    assert (await pinning.number_floor("checkout")).next_number == 4
    Outbox(tmp_path / "outbox").write(an_outgoing(incident="checkout-41"), DeliveryState.SENT, NOW)
    done = await pinning.number_floor("checkout")
    assert (done.next_number, done.note) == (42, "")


@pytest.mark.parametrize(
    "records", [FixedRecords(hang_seconds=20), FixedRecords(error=RuntimeError("gone"))]
)
async def test_without_records_numbers_jump_and_say_so(
    tmp_path: Path, records: FixedRecords
) -> None:
    """A desk does not wait for the records: it jumps well ahead of what the outbox knows."""
    Outbox(tmp_path / "outbox").write(an_outgoing(incident="checkout-41"), DeliveryState.SENT, NOW)
    done = await _pinning(tmp_path, records).number_floor("checkout")
    records.over.set()
    assert done.next_number == 1042
    assert "numbers jump by 1000" in done.note


async def test_without_records_and_outbox_there_still_is_a_number(tmp_path: Path) -> None:
    """Both gone: an incident can be raised all the same."""
    (tmp_path / "outbox").write_text("no folder")
    done = await _pinning(tmp_path, FixedRecords(error=RuntimeError("gone"))).number_floor("x")
    assert done.next_number == 1001
    assert "the outbox could not be read" in done.note

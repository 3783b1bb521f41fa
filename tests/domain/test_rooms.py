"""Rooms as data: names that a chat takes, a topic that fits, buttons of what is possible, what follows."""

from __future__ import annotations

import re
from typing import Any

import pytest

from domain import facts as f
from domain.incident import Incident, Status
from domain.reactions import follows
from domain.room_card import legal, topic, wanted
from domain.room_reactions import FOLDED_WITHIN, GIVE_UP_AFTER_TRIES, SAID_AFTER_TRIES, room_kept
from domain.rooms import (
    NAME_CHARS,
    TOPIC_CHARS,
    KeptRoom,
    RoomState,
    RoomTrouble,
    candidates,
    effect_key,
    marker,
    room_name,
)
from tests.factories import T0, an_incident, minutes

ACK = f.Acknowledged(person="alice", first=True, takes_charge=True, after_seconds=1)
OPENED = f.CommsOpened(room="checkout-1", bridge="https://meet.test/b", chat="slack")
MADE = RoomState(chat="slack", name="checkout-1", ref="C1", made=1)


def with_room(**changes: Any) -> Incident:
    """An incident whose room is open and shows everything."""
    incident = an_incident()
    incident.record(ACK, T0, "alice", follows)
    incident.record(OPENED, T0, "tocsin", follows)
    shown = wanted(incident, "closed").fingerprint()
    incident.effects.clear()
    incident.room = MADE.model_copy(update={"shown": shown, **changes})
    return incident


@pytest.mark.parametrize(
    ("rendered", "incident", "name"),
    [
        ("checkout-17", "checkout-17", "checkout-17"),
        ("Inc checkout-17!", "checkout-17", "inc-checkout-17"),
        ("war room", "checkout-17", "war-room-checkout-17"),
        ("checkout-17", "checkout-1", "checkout-17-checkout-1"),
        ("", "checkout-17", "checkout-17"),
        ("🔥<!channel>", "checkout-17", "channel-checkout-17"),
        ("Störung", "checkout-17", "st-rung-checkout-17"),
    ],
)
def test_a_room_is_named_as_a_chat_takes_it(rendered: str, incident: str, name: str) -> None:
    """Small letters, digits, - and _, and the incident's own id as a word of its own."""
    assert room_name(rendered, incident) == name


@pytest.mark.parametrize("incident", ["checkout-17", "a" * 100 + "-17", "x" * 79 + "-1"])
@pytest.mark.parametrize("rendered", ["", "w" * 200, "UPPER CASE " * 20])
def test_a_name_always_fits(rendered: str, incident: str) -> None:
    """However long service and template are; the number at the end stays."""
    for name in candidates(room_name(rendered, incident)):
        assert re.fullmatch(r"[a-z0-9_-]{1,80}", name)
    assert room_name(rendered, incident).endswith(incident[-3:])


def test_names_are_tried_in_order() -> None:
    """The name itself, then with a number behind it, each another one."""
    names = list(candidates("a" * NAME_CHARS))
    assert names[1].endswith("a-2")
    assert len(set(names)) == len(names) == 20


def test_a_marker_tells_incidents_of_the_same_number_apart() -> None:
    """Numbers begin anew when the records are lost; the time does not."""
    assert marker("checkout-1", "2026-01-01T00:00:00Z") != marker(
        "checkout-1", "2026-02-01T00:00:00Z"
    )


def test_the_topic_says_what_counts_and_cuts_no_link() -> None:
    """Severity, status, roles, links; the summary takes what is left."""
    incident = with_room()
    incident.summary = "Checkout is down " * 100
    said = topic(incident)
    assert len(said) <= TOPIC_CHARS
    assert said.startswith("SEV1 fixing · Checkout is down")
    assert said.endswith(
        "Incident manager: alice · https://meet.test/b · https://tocsin.test/i/checkout-1"
    )
    incident.communications.bridge = "https://meet.test/" + "b" * 240
    assert "meet.test" not in topic(incident)
    assert "https://tocsin.test/i/checkout-1" in topic(incident)


@pytest.mark.parametrize(
    ("status", "buttons"),
    [
        (Status.RAISED, ["acknowledge", "join", "publish_update", "escalate", "resolve"]),
        (Status.FIXING, ["join", "publish_update", "escalate", "resolve"]),
        (Status.RESOLVED, ["join", "publish_update", "reopen"]),
        (Status.CLOSED, []),
        (Status.CANCELLED, []),
    ],
)
def test_only_what_is_possible_has_a_button(status: Status, buttons: list[str]) -> None:
    """The card offers what the state takes now, and a page that nobody waits for is not offered."""
    incident = with_room()
    incident.status = status
    for run in incident.pages:
        run.ended_at = T0
    assert legal(incident) == buttons


def test_a_change_is_shown_by_one_effect_two_seconds_later() -> None:
    """The first change asks for it, further ones are folded into it; what is not shown asks for nothing."""
    incident = with_room()
    incident.record(f.Noted(text="n"), T0, "alice", follows)
    assert effect_key(incident.id) not in incident.effects
    incident.record(f.SeverityChanged(old="SEV1", new="SEV2", reason="r"), T0, "alice", follows)
    incident.record(f.Joined(person="bob"), T0 + minutes(1), "bob", follows)
    effect = incident.effects[effect_key(incident.id)]
    assert effect.next_try == T0 + FOLDED_WITHIN


def test_without_a_room_nothing_is_kept() -> None:
    """Where Tocsin makes no rooms, and in incidents from before it did, no effect ever follows."""
    incident = an_incident()
    for fact in (ACK, f.CommsOpened(room="checkout-1"), f.Joined(person="bob")):
        incident.record(fact, T0, "alice", follows)
    assert effect_key(incident.id) not in incident.effects


@pytest.mark.parametrize(
    ("archive", "status", "archived"),
    [
        ("never", Status.CLOSED, False), ("closed", Status.RESOLVED, False),
        ("closed", Status.CLOSED, True), ("closed", Status.CANCELLED, True),
        ("resolved", Status.FIXING, False), ("resolved", Status.RESOLVED, True),
        ("resolved", Status.CLOSED, True),
    ],
)  # fmt: skip
def test_a_room_is_archived_as_the_policy_says(
    archive: str, status: Status, archived: bool
) -> None:
    """Never, at the resolution, or when nothing more can happen."""
    incident = with_room()
    incident.status = status
    assert wanted(incident, archive).archived is archived


def kept(incident: Incident, attempt: int = 1, **answer: Any) -> tuple[list[str], Any]:
    """The names of the facts that people see, and when it is tried again."""
    state = answer.pop("state", incident.room)
    outcome = room_kept(
        incident, wanted(incident, "closed"), KeptRoom(state=state, **answer), attempt, T0
    )
    for fact in outcome.facts:
        incident.record(fact, T0)
    return [fact.name for fact in outcome.facts if not fact.silent], outcome.retry_at


def test_what_passes_by_itself_is_said_only_when_it_lasts() -> None:
    """A chat that is slow is tried again and again, and is on the timeline once, after the fifth attempt."""
    incident = with_room()
    seen = [
        kept(incident, attempt, trouble=RoomTrouble.UNREACHABLE)[0]
        for attempt in range(1, SAID_AFTER_TRIES + 3)
    ]
    assert [names for names in seen if names] == [["channel_degraded"]]
    assert seen[SAID_AFTER_TRIES - 1] == ["channel_degraded"]
    assert kept(incident) == (["channel_restored"], None)


def test_a_chat_that_asks_for_patience_gets_it() -> None:
    """The next attempt waits as long as was asked, at most five minutes."""
    incident = with_room()
    _, retry_at = kept(incident, trouble=RoomTrouble.RATE_LIMITED, retry_after_seconds=30)
    assert (retry_at - T0).total_seconds() == 30
    _, retry_at = kept(incident, trouble=RoomTrouble.RATE_LIMITED, retry_after_seconds=3600)
    assert (retry_at - T0).total_seconds() == 300


def test_an_incident_that_is_over_does_not_wait_for_its_room() -> None:
    """While it lives the attempts never end; after its end they do, and nothing asks for another one."""
    incident = with_room()
    assert kept(incident, 500, trouble=RoomTrouble.UNAUTHORISED)[1] is not None
    incident.status = Status.CLOSED
    assert kept(incident, GIVE_UP_AFTER_TRIES - 1, trouble=RoomTrouble.UNAUTHORISED)[1] is not None
    assert kept(incident, GIVE_UP_AFTER_TRIES, trouble=RoomTrouble.UNAUTHORISED)[1] is None
    incident.effects.clear()
    incident.record(f.Noted(text="n"), T0, "alice", follows)
    assert effect_key(incident.id) not in incident.effects


def test_a_lost_room_is_named_and_its_successor_too() -> None:
    """Degraded with the reason, then the new room, and the incident points at it."""
    incident = with_room()
    other = MADE.model_copy(update={"name": "checkout-1-2", "ref": "C2", "left": ["C1"]})
    names, _ = kept(incident, state=other, lost=RoomTrouble.DELETED)
    assert names == ["channel_degraded", "room_replaced"]
    assert incident.communications.room_ref == "C2"
    assert incident.communications.room_trouble is None
    assert kept(incident, state=other) == ([], None)


def test_a_room_that_is_gone_for_good_is_said_once() -> None:
    """No further room is made, and the operator is not told at every attempt."""
    incident = with_room()
    assert kept(incident, trouble=RoomTrouble.ARCHIVED)[0] == ["channel_degraded"]
    assert kept(incident, 2, trouble=RoomTrouble.ARCHIVED)[0] == []

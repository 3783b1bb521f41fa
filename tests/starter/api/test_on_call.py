"""On call by HTTP: what changes it for a while, what is wrong with it, and the calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import icalendar
import pytest

from domain.policy.model import Policy
from starter.api.calendar_export import render
from starter.temporal_link import GatewayUnavailableError, NotAnsweredError

ONCALL = "/api/v1/oncall"
DAY = {"from": "2026-01-07T10:00", "to": "2026-01-07T18:00"}


def on(api: Any, at: str = "2026-01-07T12:00:00+01:00") -> list[str]:
    """Who stands behind the first step of checkout."""
    steps = api.get(ONCALL, params={"service": "checkout", "at": at}).json()["steps"]
    return [target["person"] for target in steps[0]["targets"]]


def add(api: Any, schedule: str = "payments", **body: Any) -> Any:
    return api.post(f"{ONCALL}/{schedule}/overrides", json=DAY | body)


def test_override_with_id_and_back(api):
    """An override says under which id it can be taken back, and then it is gone."""
    answer = add(api, person="carol", actor="bob")
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert (body["id"], body["schedule"], body["copied"]) == ("o1", "payments", True)
    assert body["override"]["person"] == "carol"
    assert on(api) == ["carol"]
    listed = api.get(f"{ONCALL}/overrides?past=true").json()["overrides"]
    assert [(one["id"], one["what"], one["made_by"]) for one in listed] == [
        ("o1", "carol for whoever is on", "bob")
    ]
    assert api.post(f"{ONCALL}/overrides/o1/remove", json={}).json()["removed"] == ["o1"]
    assert on(api) == ["alice"]
    gone = api.post(f"{ONCALL}/overrides/o1/remove", json={})
    assert (gone.status_code, gone.json()["code"]) == (404, "not_found")


def test_somebody_beside(api):
    """`also` puts a person beside whoever is on: both are paged, and the answer keeps its shape."""
    assert add(api, person="dana", also=True).status_code == 201
    assert on(api) == ["alice", "dana"]
    asked = {"from": "2026-01-07T10:00:00Z", "to": "2026-01-07T12:00:00Z"}
    [shift] = api.get(f"{ONCALL}/payments", params=asked).json()["shifts"]
    assert shift["person"] == "alice"
    assert [one["person"] for one in shift["also"]] == ["dana"]


def test_conflicting_overrides(api):
    """The second override of one turn is refused and names the first; a person beside is none."""
    assert add(api, person="carol").status_code == 201
    refused = add(api, person="dana", instead_of="alice")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert "o1 (carol for whoever is on" in refused.json()["detail"]
    assert "incident_status" not in refused.json()
    assert add(api, person="dana", also=True).status_code == 201
    assert on(api) == ["carol", "dana"]


def test_the_same_key_is_one_override(api):
    """A request that is sent again is answered again."""
    for _ in range(2):
        answer = api.post(
            f"{ONCALL}/payments/overrides",
            json=DAY | {"person": "carol"},
            headers={"Idempotency-Key": "one"},
        )
        assert (answer.status_code, answer.json()["id"]) == (201, "o1")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"person": "carol", "to": "2025-01-01T00:00"}, "/to"),
        ({"person": "carol", "from": "2025-01-01T00:00", "to": "2025-01-02T00:00"}, "/to"),
        ({"person": "carol", "to": "2027-06-01T00:00"}, "/to"),
        ({"person": None, "also": True}, "/also"),
        ({"person": "carol", "instead_of": "carol"}, "/instead_of"),
        ({"person": "carol", "from": 7}, "/from"),
    ],
)
def test_wrong_times_and_wishes(api, body, pointer):
    """422, naming the field."""
    answer = add(api, **body)
    assert answer.status_code == 422, answer.text
    assert [one["pointer"] for one in answer.json()["errors"]] == [pointer]


def test_nobody_left_is_told(api):
    """An override that leaves nobody on call is done, for somebody may mean it, and says so."""
    said = add(api, person=None).json()["warnings"]
    assert said == ["nobody is on call for payments from 2026-01-07 09:00 to 2026-01-07 17:00 UTC"]
    assert add(api, "platform", person="carol").json()["warnings"] == [
        "it changes nobody's turn on platform"
    ]


def test_swap_and_temporary(api):
    """Two people take each other's weeks; fixed shifts replace everything for a day."""
    weeks = {"from": "2026-01-05T09:00", "to": "2026-01-19T09:00"}
    swap = api.post(f"{ONCALL}/payments/swaps", json=weeks | {"person": "alice", "with": "bob"})
    assert swap.status_code == 201, swap.text
    assert [one["id"] for one in swap.json()["overrides"]] == ["o1", "o2"]
    assert on(api) == ["bob"]
    assert on(api, "2026-01-14T12:00:00+01:00") == ["alice"]
    shifts = [{**DAY, "person": "dana"}]
    body = {"from": "2026-01-07T08:00", "to": "2026-01-08T08:00", "shifts": shifts}
    made = api.post(f"{ONCALL}/payments/temporary", json=body)
    assert (made.status_code, made.json()["id"]) == (201, "t3")
    assert made.json()["warnings"][0].startswith("nobody is on call for payments from 2026-01-07")
    assert on(api) == ["dana"]
    outside = body | {"from": "2026-01-07T12:00"}
    wrong = api.post(f"{ONCALL}/platform/temporary", json=outside)
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/shifts/0")


def test_a_contact_switched_off(api):
    """A contact that is switched off shows, and is on again when that is said."""
    path = f"{ONCALL}/people/bob/contacts"
    off = api.post(path, json={"channel": "email", "enabled": False})
    assert off.status_code == 200, off.text
    assert "no other contact" in off.json()["warnings"][0]
    found = api.get(f"{ONCALL}/gaps").json()["findings"]
    assert [(one["kind"], one["person"]) for one in found] == [("no_usable_contact", "bob")]
    assert api.post(path, json={"channel": "email", "enabled": True}).status_code == 200
    assert api.get(f"{ONCALL}/gaps").json()["findings"] == []
    assert api.post(path, json={"channel": "sms", "enabled": True}).status_code == 422


def test_the_last_contact_switched_off_is_warned_of(api):
    """Alice has a mail address left at first; then nothing reaches her, and the answer says so."""
    path = f"{ONCALL}/people/alice/contacts"
    first = api.post(path, json={"channel": "sms", "enabled": False}).json()
    last = api.post(path, json={"channel": "email", "enabled": False}).json()
    assert first["warnings"] == []
    assert "nothing reaches them now" in last["warnings"][0]


def test_what_is_wrong_is_named_as_it_was_sent(api):
    """The field that is too far off, and the fields there are by their names on the wire."""
    far = add(api, person="carol", to="9999-12-31T23:59").json()["errors"]
    assert [(one["pointer"], one["detail"]) for one in far] == [
        ("/to", "lies outside the years 1971 to 2998")
    ]
    [extra] = add(api, person="carol", form="x").json()["errors"]
    assert extra["pointer"] == "/form"
    assert "schedule, from, to, person" in extra["detail"]
    assert extra["near"] == ["from"]


def test_the_answer_says_whose_wall_time_it_tells(api):
    """A time is taken and given back by the schedule's clock, whatever offset it came with."""
    window = {"from": "2026-01-07T09:00Z", "to": "2026-01-07T17:00Z"}
    body = add(api, person="carol", **window).json()
    assert body["timezone"] == "Europe/Berlin"
    assert (body["override"]["from"], body["override"]["to"]) == (
        "2026-01-07T10:00:00",
        "2026-01-07T18:00:00",
    )


def test_without_temporal_nothing_is_kept(api, temporal):
    """503 that says so; without a worker it is kept and done later."""
    temporal.update_error = GatewayUnavailableError("UNAVAILABLE: no")
    answer = add(api, person="carol")
    assert answer.status_code == 503
    assert "nothing is known to be kept" in answer.json()["detail"]
    temporal.update_error = NotAnsweredError("no answer in time")
    answer = add(api, person="carol")
    assert (answer.status_code, answer.json()) == (202, {"accepted": True})
    [(where, name, body)] = temporal.signals
    assert (where, name, body["schedule"]) == ("roster", "add_override", "payments")


def test_a_copy_that_is_late_is_said(api, temporal):
    """While the data folder cannot be written the answer does not claim that paging knows of it."""
    temporal.roster.copies = False
    assert add(api, person="carol").json()["copied"] is False
    assert on(api) == ["alice"]


def events(answer: Any) -> list[Any]:
    return list(icalendar.Calendar.from_ical(answer.content).walk("VEVENT"))


def test_calendar_by_its_own_token(api, stranger):
    """A calendar program reads one schedule by the token in its address, and no other schedule."""
    url = api.get(f"{ONCALL}/payments").json()["calendar_url"]
    path = url[url.index("/api/") :]
    answer = stranger.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/calendar")
    found = events(answer)
    assert len({str(event["UID"]) for event in found}) == len(found) > 10
    assert {str(event["SUMMARY"]) for event in found} == {
        "Alice Ng on call: payments",
        "Bob Ito on call: payments",
    }
    for wrong in (path.replace("payments", "platform"), path[:-1] + "!", path.split("?")[0]):
        assert stranger.get(wrong).status_code == 401
    assert stranger.get(f"{ONCALL}/payments", params={"token": "x"}).status_code == 401
    assert api.get(f"{ONCALL}/payments.ics?person=bob").status_code == 200
    assert {
        str(event["SUMMARY"]) for event in events(api.get(f"{ONCALL}/payments.ics?person=bob"))
    } == {"Bob Ito on call: payments"}
    assert api.get(f"{ONCALL}/nobody.ics").status_code == 404
    assert api.get(f"{ONCALL}/payments.ics?person=bobb").status_code == 422


def test_calendar_events_keep_their_names() -> None:
    """A shift has the same UID whenever it is exported; each event is one whole shift."""
    week = {"people": ["alice", "bob"], "starts": "2026-01-05", "handover": {"at": "09:00"}}
    policy = Policy.model_validate(
        {
            "people": {"alice": {}, "bob": {}},
            "schedules": {"pay": {"timezone": "Europe/Berlin", "rotations": [week]}},
        }
    )
    at = datetime(2026, 3, 24, 12, tzinfo=UTC)
    seen: dict[datetime, set[str]] = {}
    for later in (timedelta(0), timedelta(hours=31), timedelta(days=9)):
        data = render(policy, "pay", policy.schedules["pay"], at + later)
        for event in icalendar.Calendar.from_ical(data).walk("VEVENT"):
            assert event["DTEND"].dt - event["DTSTART"].dt in (
                timedelta(days=7),
                timedelta(days=7, hours=-1),
            )
            seen.setdefault(event["DTSTART"].dt, set()).add(str(event["UID"]))
    assert {len(uids) for uids in seen.values()} == {1}
    assert len(set.union(*seen.values())) == len(seen)


def test_text_of_people_cannot_break_the_calendar() -> None:
    """A name with line breaks and commas stays one property of one event."""
    name = "Eve\r\nBEGIN:VEVENT, ; \\ né"
    policy = Policy.model_validate(
        {
            "people": {"eve": {"name": name}},
            "schedules": {"p": {"rotations": [{"people": ["eve"], "starts": "2026-01-05"}]}},
        }
    )
    at = datetime(2026, 3, 24, 12, tzinfo=UTC)
    found = icalendar.Calendar.from_ical(render(policy, "p", policy.schedules["p"], at))
    assert all("né" in str(event["SUMMARY"]) for event in found.walk("VEVENT"))

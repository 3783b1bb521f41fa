"""Audiences become addresses when a message leaves: who has one message, in which words, and who has none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from activities.announcing import Announcer
from activities.channels.outbox import Outbox
from activities.delivery import Postman
from domain.messages import Announced, Delivery, DeliveryState, Purpose
from domain.spoken_update import SpokenUpdate
from templates.renderer import Renderer
from tests.fakes.organisation import (
    NOW,
    FixedPolicy,
    RecordingChannel,
    a_clock,
    a_policy,
    a_view,
    an_announcement,
)

SAID: dict[str, Any] = {
    "text": "Half of the payments work again.",
    "status": "identified",
    "variant": "follow_up",
    "by": "alice",
    "next_update_at": None,
    "number": 3,
    "at": "2026-11-24T14:30:00Z",
}
INSIDE: dict[str, Any] = {
    "key": "checkout-17/update/internal/3",
    "purpose": Purpose.INTERNAL_UPDATE,
    "template": "internal_update",
    "context": SAID,
}
OUTSIDE = INSIDE | {
    "key": "checkout-17/update/external/3",
    "purpose": Purpose.EXTERNAL_UPDATE,
    "template": "external_update",
}
COMPANY = {"hears": "internal", "to": [{"channel": "email", "to": "all@example.com"}]}


class Subscribers:
    """Stands for those who subscribed; remembers what they were told."""

    def __init__(self, answer: Delivery | None = None) -> None:
        self.answer, self.told = answer, list[tuple[str, str]]()

    async def tell(self, update: SpokenUpdate, key: str, seconds: float) -> Delivery | None:
        self.told.append((update.key, key))
        return self.answer


@pytest.fixture
def mail() -> RecordingChannel:
    return RecordingChannel()


@pytest.fixture
def room() -> RecordingChannel:
    return RecordingChannel("room", pages=False)


async def announce(
    tmp_path: Path,
    *recipients: str,
    channels: list[RecordingChannel],
    audiences: dict[str, Any] | None = None,
    view: dict[str, Any] | None = None,
    subscribers: Subscribers | None = None,
    templates: Path | None = None,
    processes: dict[str, Any] | None = None,
    **words: Any,
) -> Announced:
    """One attempt, in live mode."""
    by_name = {channel.name: channel for channel in channels}
    postman = Postman("live", by_name, Outbox(tmp_path / "outbox"), a_clock)
    policy = FixedPolicy(a_policy(audiences=audiences or {}, processes=processes or {}))
    renderer = Renderer([templates] if templates else [])
    announcer = Announcer(policy, renderer, postman, a_clock, subscribers)
    return await announcer.announce(an_announcement(*recipients, view=view, **words))


async def test_an_audience_is_written_to_beside_the_stakeholders(
    tmp_path: Path, mail: RecordingChannel
) -> None:
    """Each address once, whether it stands among the stakeholders, in the audience or in both."""
    company = COMPANY | {"to": [*COMPANY["to"], {"channel": "email", "to": "cto@example.com"}]}
    done = await announce(
        tmp_path, "stakeholders", "audience:company", channels=[mail],
        audiences={"company": company}, **INSIDE,
    )  # fmt: skip
    assert sorted(message.to for message in mail.sent) == [
        "all@example.com", "coo@example.com", "cto@example.com",
    ]  # fmt: skip
    assert done.deliveries[-1].recipient == "audience:company/0"


async def test_an_audience_has_words_of_its_own(tmp_path: Path, mail: RecordingChannel) -> None:
    """The frame that the policy names is around the text for that audience, and for no other."""
    folder = tmp_path / "own" / "for_everybody"
    folder.mkdir(parents=True)
    (folder / "subject.j2").write_text("Dear all: {{ incident.service_name }}")
    (folder / "body.txt.j2").write_text("{{ text }} Do not call the on-call.")
    await announce(
        tmp_path, "stakeholders", "audience:company", channels=[mail],
        audiences={"company": COMPANY | {"template": "for_everybody"}},
        templates=tmp_path / "own", **INSIDE,
    )  # fmt: skip
    subjects = {message.to: message.subject for message in mail.sent}
    assert subjects["all@example.com"] == "Dear all: Checkout"
    assert "Dear all" not in subjects["cto@example.com"]


async def test_the_room_hears_where_there_is_one(tmp_path: Path, room: RecordingChannel) -> None:
    """A room that was made is written to by its id; a room that is only a name is nobody's."""
    view = a_view()
    view["communications"] = {"room": "checkout-17", "room_ref": "C0ROOM"}
    await announce(tmp_path, "audience:responders", channels=[room], view=view, **INSIDE)
    assert [message.to for message in room.sent] == ["C0ROOM"]
    view["communications"] = {"room": "checkout-17"}
    done = await announce(tmp_path, "audience:responders", channels=[room], view=view, **INSIDE)
    assert (done.deliveries, done.notes) == ([], [])


async def test_a_room_that_is_being_made_hears_later(
    tmp_path: Path, room: RecordingChannel
) -> None:
    """An update that is faster than the chat waits for the room; nobody else waits with it."""
    view = a_view()
    view["communications"] = {"room": "checkout-17", "room_ref": None, "room_awaited": True}
    done = await announce(tmp_path, "audience:responders", channels=[room], view=view, **INSIDE)
    (waiting,) = done.unsettled()
    assert (waiting.recipient, waiting.detail) == ("room", "the room is not made yet")
    view["communications"] |= {"room_ref": "C0ROOM", "room_awaited": False}
    done = await announce(tmp_path, "audience:responders", channels=[room], view=view, **INSIDE)
    assert [one.key for one in done.deliveries] == [waiting.key]
    assert [message.to for message in room.sent] == ["C0ROOM"]


async def test_a_channel_gets_the_update_itself(tmp_path: Path, mail: RecordingChannel) -> None:
    """What a vendor's own form asks for stands beside the text, under a key that does not change."""
    await announce(
        tmp_path, "audience:list", channels=[mail],
        audiences={"list": COMPANY | {"hears": "external"}}, **OUTSIDE,
    )  # fmt: skip
    (update,) = [message.update for message in mail.sent]
    assert update is not None
    assert (update.key, update.status, update.service_name) == (
        "checkout-17/external/3", "identified", "Checkout",
    )  # fmt: skip
    assert update.text == SAID["text"]


async def test_subscribers_are_told_as_one(tmp_path: Path, mail: RecordingChannel) -> None:
    """All of them are one delivery; with nobody subscribed there is none, and nothing is reported."""
    nobody = Subscribers()
    done = await announce(
        tmp_path, "audience:subscribers", channels=[mail], subscribers=nobody, **OUTSIDE
    )
    assert (done.deliveries, done.notes) == ([], [])
    key = "checkout-17/update/external/3/subscribers/subscribers"
    assert nobody.told == [("checkout-17/external/3", key)]
    some = Subscribers(
        Delivery(key=key, recipient="subscribers", channel="subscribers",
                 state=DeliveryState.FAILED, retryable=True, at=NOW)
    )  # fmt: skip
    done = await announce(
        tmp_path, "audience:subscribers", channels=[mail], subscribers=some, **OUTSIDE
    )
    assert [one.key for one in done.unsettled()] == [key]
    settled = OUTSIDE | {"settled": [key]}
    await announce(tmp_path, "audience:subscribers", channels=[mail], subscribers=some, **settled)
    assert len(some.told) == 1


async def test_a_fault_of_the_subscribers_is_theirs_alone(
    tmp_path: Path, mail: RecordingChannel
) -> None:
    """Whatever breaks there, the others' messages are reported as sent, and only they are tried again."""

    class Broken(Subscribers):
        async def tell(self, update: SpokenUpdate, key: str, seconds: float) -> Delivery | None:
            raise RuntimeError("ledger broken")

    done = await announce(
        tmp_path, "audience:list", "audience:subscribers", channels=[mail],
        audiences={"list": COMPANY | {"hears": "external"}}, subscribers=Broken(), **OUTSIDE,
    )  # fmt: skip
    assert [message.to for message in mail.sent] == ["all@example.com"]
    (again,) = done.unsettled()
    assert (again.recipient, again.detail) == (
        "subscribers", "RuntimeError while telling the subscribers",
    )  # fmt: skip


async def test_the_page_and_its_readers_hear_only_what_it_may_show(
    tmp_path: Path, mail: RecordingChannel
) -> None:
    """A process that stays off the page leaves its text in the outbox; a note says that nobody read it."""
    subscribers = Subscribers()
    outcome = await announce(
        tmp_path, "status_page", "audience:customers", "audience:subscribers", channels=[mail],
        processes={"default": {"channels": ["room"]}}, subscribers=subscribers, **OUTSIDE,
    )  # fmt: skip
    assert [one.recipient for one in outcome.deliveries] == ["status_page"]
    assert (mail.sent, subscribers.told) == ([], [])
    (note,) = outcome.notes
    assert "the status page shows nothing of checkout" in note


async def test_an_audience_that_left_the_policy_is_told_of(
    tmp_path: Path, mail: RecordingChannel
) -> None:
    """An incident may have pinned an audience that is no more: a note says so, and nobody is written to."""
    done = await announce(tmp_path, "audience:gone", channels=[mail], **INSIDE)
    assert mail.sent == []
    assert done.notes == ["audience gone is not in the policy any more"]


async def test_a_channel_that_is_not_set_up_is_told_of(
    tmp_path: Path, mail: RecordingChannel
) -> None:
    """A post that cannot leave is a note on the timeline, not silence; the others get theirs."""
    to = [{"channel": "slack", "to": "C0ALL"}, {"channel": "email", "to": "all@example.com"}]
    done = await announce(
        tmp_path, "audience:company", channels=[mail],
        audiences={"company": COMPANY | {"to": to}}, **INSIDE,
    )  # fmt: skip
    assert [message.to for message in mail.sent] == ["all@example.com"]
    assert "no channel slack" in done.notes[0]


@pytest.mark.parametrize(
    ("pinned_as", "now"),
    [
        (INSIDE, COMPANY | {"hears": "external"}),
        (OUTSIDE, COMPANY),
        (OUTSIDE, COMPANY | {"hears": "external", "approval": True}),
    ],
)
async def test_addresses_of_another_rule_are_not_written_to(
    tmp_path: Path, mail: RecordingChannel, pinned_as: dict[str, Any], now: dict[str, Any]
) -> None:
    """A policy loaded meanwhile lets nothing internal out, and nothing that it wants read first."""
    done = await announce(
        tmp_path, "audience:company", channels=[mail], audiences={"company": now}, **pinned_as
    )
    assert (mail.sent, done.deliveries) == ([], [])
    (note,) = done.notes
    assert note.startswith("audience company ")


async def test_what_somebody_approved_reaches_who_asked_for_it(
    tmp_path: Path, mail: RecordingChannel
) -> None:
    """And so does the fixed last text of a cancelled incident, which nobody can approve any more."""
    audiences = {"list": COMPANY | {"hears": "external", "approval": True}}
    read = OUTSIDE | {"context": SAID | {"approved": True}}
    await announce(tmp_path, "audience:list", channels=[mail], audiences=audiences, **read)
    assert len(mail.sent) == 1
    over = OUTSIDE | {"key": "checkout-17/update/external/4"}
    view = a_view() | {"status": "cancelled"}
    await announce(
        tmp_path, "audience:list", channels=[mail], audiences=audiences, view=view, **over
    )
    assert len(mail.sent) == 2

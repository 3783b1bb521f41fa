"""Keeping a room against a strict workspace: what is made, found again, refused, lost and waited for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from activities.channels.slack import SlackSettings
from activities.channels.slack_rooms import SlackRooms
from activities.rooms import KeepingRooms
from domain.policy.model import Policy
from domain.rooms import MOST_ROOMS, KeepRoom, KeptRoom, RoomState, RoomTrouble, RoomWanted
from templates.renderer import Renderer, examples
from tests.fakes.organisation import FixedPolicy
from tests.fakes.slack import TOKEN
from tests.fakes.slack_workspace import Workspace, a_workspace

NOW = datetime(2026, 11, 24, 14, 9, tzinfo=UTC)
CASE = examples("room_card")[0]
FIRST = RoomState(chat="slack", name="checkout-17")
Keep = Callable[..., Any]


def a_policy(**channels: Any) -> Policy:
    contacts = {"alice": "U0ALICE", "bob": "U0BOB", "carol": "U0CAROL", "dana": "not-a-member"}
    return Policy.model_validate(
        {
            "people": {
                person: {"contacts": [{"channel": "slack", "to": member}]}
                for person, member in contacts.items()
            },
            "processes": channels.pop("processes", {}),
            "channels": {"chat": "slack", **channels},
        }
    )


def a_request(state: RoomState = FIRST, **changes: Any) -> KeepRoom:
    wanted = RoomWanted(
        topic=changes.pop("topic", "SEV1 fixing"),
        card=CASE["card"],
        buttons=changes.pop("buttons", ["join", "resolve"]),
        people=changes.pop("people", ["alice"]),
        archived=changes.pop("archived", False),
    )
    return KeepRoom(
        incident=CASE["incident"] | {"raised_at": "2026-11-24T14:07:00Z"},
        state=state,
        wanted=wanted,
        **{"is_open": True, "at": NOW, **changes},
    )


@pytest.fixture
def slack() -> Any:
    with a_workspace() as workspace:
        workspace.now = lambda: NOW.timestamp()
        yield workspace


@pytest.fixture
async def keep(slack: Workspace) -> AsyncIterator[Keep]:
    """One attempt; the policy's channels may differ."""
    chat = SlackRooms(
        SlackSettings.model_validate(
            {"slack_bot_token": TOKEN, "slack_base_url": slack.fake.url, "slack_timeout": 10.0}
        )
    )

    async def attempt(
        state: RoomState = FIRST, *, templates: Path | None = None, **changes: Any
    ) -> KeptRoom:
        policy = FixedPolicy(a_policy(**changes.pop("channels", {})))
        keeping = KeepingRooms(policy, Renderer(own_folder=templates), {"slack": chat})
        return await keeping.keep_room(a_request(state, **changes))

    yield attempt
    await chat.aclose()


async def test_a_room_is_made_whole(keep: Keep, slack: Workspace) -> None:
    """Named after the incident, marked, with topic, pinned card and its people; nothing was refused."""
    done = await keep(channels={"invite": ["person:bob"]})
    assert (done.trouble, done.lost) == (None, None)
    room = slack.named("checkout-17")
    assert done.state.ref == room.ref
    assert done.state.url == f"https://example.slack.com/archives/{room.ref}"
    assert room.purpose == "Tocsin: incident checkout-17, raised 2026-11-24T14:07:00Z"
    assert room.topic == "SEV1 fixing"
    assert {"U0ALICE", "U0BOB"} <= room.members
    assert room.pins == [done.state.card]
    assert not room.is_private
    assert slack.fake.refused == []


async def test_a_room_may_be_private(keep: Keep, slack: Workspace) -> None:
    """Where the policy says so."""
    await keep(channels={"private_room": True})
    assert slack.named("checkout-17").is_private


async def test_what_is_as_it_should_be_is_left_alone(keep: Keep, slack: Workspace) -> None:
    """The second attempt edits the card and does nothing else: no new topic, no invitation, no post."""
    state = (await keep()).state
    slack.methods.clear()
    again = await keep(state)
    assert slack.methods == ["chat.update"]
    assert again.state == state


async def test_the_next_name_is_taken_where_somebody_has_the_first(
    keep: Keep, slack: Workspace
) -> None:
    """Somebody else's room of that name, and an old incident's of the same number, are let be."""
    slack.add("checkout-17", creator="U0BOB", members={"U0BOB"})
    old = slack.add(
        "checkout-17-2", purpose="Tocsin: incident checkout-17, raised 2024-01-01T00:00:00Z"
    )
    done = await keep()
    assert done.state.name == "checkout-17-3"
    assert old.messages == {}


async def test_a_room_that_nobody_heard_of_is_found_by_its_mark(
    keep: Keep, slack: Workspace
) -> None:
    """Its making was never answered: the next attempt finds it, however many pages of rooms there are."""
    for number in range(5):
        slack.add(f"other-{number}")
    slack.loses = ["conversations.create"]
    first = await keep()
    assert first.trouble is RoomTrouble.UNREACHABLE
    assert first.state.ref is None
    second = await keep(first.state, attempt=2)
    assert second.trouble is None
    assert len(slack.rooms) == 6
    assert second.state.name == "checkout-17"


@pytest.mark.parametrize(
    "method",
    ["conversations.setPurpose", "conversations.setTopic", "chat.postMessage", "pins.add",
     "conversations.invite"],
)  # fmt: skip
async def test_nothing_is_done_twice_for_a_lost_answer(
    keep: Keep, slack: Workspace, method: str
) -> None:
    """Whichever call it was: one room, one card, pinned once."""
    slack.loses = [method]
    first = await keep()
    assert first.trouble is RoomTrouble.UNREACHABLE
    second = await keep(first.state, attempt=2)
    assert second.trouble is None
    (room,) = slack.rooms.values()
    assert len(room.cards()) == 1
    assert room.pins == [second.state.card]
    assert "U0ALICE" in room.members


async def test_rate_limits_are_heeded(keep: Keep, slack: Workspace) -> None:
    """What was done stays done, and the wait that Slack asks for is passed on."""
    slack.limits["conversations.setTopic"] = 1
    slack.fake.headers = {"Retry-After": "17"}
    first = await keep()
    assert (first.trouble, first.retry_after_seconds) == (RoomTrouble.RATE_LIMITED, 17.0)
    assert first.state.ref == slack.named("checkout-17").ref
    slack.methods.clear()
    assert (await keep(first.state, attempt=2)).trouble is None
    assert "conversations.create" not in slack.methods


@pytest.mark.parametrize(
    ("word", "trouble"),
    [
        ("token_revoked", RoomTrouble.UNAUTHORISED), ("account_inactive", RoomTrouble.UNAUTHORISED),
        ("missing_scope", RoomTrouble.UNAUTHORISED), ("restricted_action", RoomTrouble.REFUSED),
        ("ratelimited", RoomTrouble.RATE_LIMITED), ("internal_error", RoomTrouble.UNREACHABLE),
    ],
)  # fmt: skip
async def test_slacks_words_are_sorted(
    keep: Keep, slack: Workspace, word: str, trouble: RoomTrouble
) -> None:
    """Each refusal to make a room has its reason, and Slack's own word is told."""
    slack.refuses["conversations.create"] = word
    done = await keep()
    assert done.trouble is trouble
    assert word in done.detail
    assert done.state.ref is None


async def test_a_room_that_was_left_is_come_back_to(keep: Keep, slack: Workspace) -> None:
    """The app was removed from a public room: it joins again, and the room goes on."""
    state = (await keep()).state
    room = slack.named("checkout-17")
    room.members.discard("U0TOCSIN")
    done = await keep(state, topic="SEV2 fixing")
    assert (done.trouble, done.lost) == (None, None)
    assert room.topic == "SEV2 fixing"


@pytest.mark.parametrize("how", ["deleted", "archived", "removed from a private one"])
async def test_a_lost_room_is_replaced(keep: Keep, slack: Workspace, how: str) -> None:
    """Another room with its own card and the same people; the old one is not touched again."""
    slack.lets_bots_unarchive = False
    private = {"private_room": how.startswith("removed")}
    state = (await keep(channels=private)).state
    room = slack.named("checkout-17")
    if how == "deleted":
        slack.delete(room.ref)
    elif how == "archived":
        room.is_archived = True
    else:
        room.members.discard("U0TOCSIN")
    done = await keep(state, channels=private)
    assert done.trouble is None
    assert done.lost in (RoomTrouble.DELETED, RoomTrouble.ARCHIVED)
    assert done.state.ref not in (None, room.ref)
    assert done.state.left == [room.ref]
    other = slack.rooms[str(done.state.ref)]
    assert "U0ALICE" in other.members
    assert len(other.cards()) == 1
    assert done.state.made == 2


async def test_rooms_are_not_made_without_end(keep: Keep, slack: Workspace) -> None:
    """Whoever archives every one of them means it."""
    slack.lets_bots_unarchive = False
    done = await keep()
    for _ in range(MOST_ROOMS + 2):
        slack.rooms[str(done.state.ref)].is_archived = True
        done = await keep(done.state)
    assert done.trouble is RoomTrouble.ARCHIVED
    assert len(slack.rooms) == MOST_ROOMS


async def test_people_may_archive_the_room_of_what_is_over(keep: Keep, slack: Workspace) -> None:
    """Resolved, and archived by somebody before the policy does: nothing is fought, nothing is said."""
    state = (await keep()).state
    room = slack.named("checkout-17")
    room.is_archived = True
    done = await keep(state, is_open=False)
    assert (done.trouble, done.lost, done.state.archived) == (None, None, True)
    assert room.is_archived
    slack.methods.clear()
    assert (await keep(done.state, is_open=False)).trouble is None
    assert slack.methods == []


async def test_the_last_state_is_shown_before_the_room_is_archived(
    keep: Keep, slack: Workspace
) -> None:
    """Whoever reads it later sees how it ended; nobody is invited any more."""
    state = (await keep()).state
    done = await keep(
        state,
        archived=True,
        is_open=False,
        topic="SEV1 closed",
        people=["alice", "bob"],
        buttons=[],
    )
    room = slack.named("checkout-17")
    assert (done.trouble, done.state.archived, room.is_archived) == (None, True, True)
    assert room.topic == "SEV1 closed"
    assert "U0BOB" not in room.members


async def test_a_card_that_somebody_deleted_comes_again(keep: Keep, slack: Workspace) -> None:
    """Once, and pinned."""
    state = (await keep()).state
    room = slack.named("checkout-17")
    room.messages.clear()
    room.pins.clear()
    done = await keep(state)
    assert len(room.cards()) == 1
    assert room.pins == [done.state.card]


async def test_a_broken_template_of_an_organisation_is_no_reason(
    keep: Keep, slack: Workspace, tmp_path: Path
) -> None:
    """Our own words are shown, and what is wrong is said."""
    (tmp_path / "room_card").mkdir()
    (tmp_path / "room_card" / "body.txt.j2").write_text("{{ nothing }}")
    done = await keep(templates=tmp_path)
    assert done.trouble is None
    assert "room_card/body.txt.j2" in done.state.faults[0]
    (card,) = slack.named("checkout-17").cards()
    assert "Card payments are refused" in str(card["blocks"])


async def test_who_cannot_be_invited_holds_up_nobody(keep: Keep, slack: Workspace) -> None:
    """No member's id, or nobody that Slack knows: named, and the others come in."""
    slack.members.discard("U0BOB")
    done = await keep(people=["dana", "bob", "carol", "stranger"])
    assert done.trouble is None
    assert done.state.invited == ["carol"]
    assert set(done.state.not_invited) == {"dana", "bob", "stranger"}
    assert "user_not_found" in done.state.not_invited["bob"]


async def test_a_chat_that_is_not_set_up_is_named(slack: Workspace) -> None:
    """A worker without a token says so instead of calling anybody."""
    chat = SlackRooms(SlackSettings.model_validate({"slack_base_url": slack.fake.url}))
    keeping = KeepingRooms(FixedPolicy(a_policy()), Renderer(), {"slack": chat})
    done = await keeping.keep_room(a_request())
    assert done.trouble is RoomTrouble.UNAUTHORISED
    assert "slack is not set up" in done.detail
    assert slack.methods == []


@pytest.mark.parametrize("mood", ["hang", "drop"])
async def test_a_chat_that_does_not_answer_is_unreachable(slack: Workspace, mood: str) -> None:
    """Bounded in time, and worth another attempt."""
    slack.fake.check = lambda request: _in_mood(slack, mood, request)
    settings = {"slack_bot_token": TOKEN, "slack_base_url": slack.fake.url, "slack_timeout": 0.4}
    chat = SlackRooms(SlackSettings.model_validate(settings))
    done = await KeepingRooms(FixedPolicy(a_policy()), Renderer(), {"slack": chat}).keep_room(
        a_request()
    )
    await chat.aclose()
    assert done.trouble is RoomTrouble.UNREACHABLE


def _in_mood(slack: Workspace, mood: str, request: Any) -> Any:
    found = slack._check(request)
    slack.fake.mood = mood
    return found


async def test_without_a_policy_the_room_is_kept_all_the_same(slack: Workspace) -> None:
    """Topic and card need none; who is invited waits until it can be read."""
    settings = {"slack_bot_token": TOKEN, "slack_base_url": slack.fake.url}
    chat = SlackRooms(SlackSettings.model_validate(settings))
    done = await KeepingRooms(FixedPolicy(None), Renderer(), {"slack": chat}).keep_room(a_request())
    await chat.aclose()
    assert done.trouble is None
    assert (done.state.invited, done.state.not_invited) == ([], {})


async def test_a_room_stays_as_private_as_it_was_to_be(slack: Workspace, keep: Keep) -> None:
    """A policy that changed since, or cannot be read just then, opens nothing to everybody."""
    await keep(FIRST.model_copy(update={"private": True}))
    assert slack.named("checkout-17").is_private


async def test_the_room_of_a_private_process_is_private(slack: Workspace, keep: Keep) -> None:
    """Who does not work on it neither reads along nor is invited, whatever rooms usually are."""
    usual = {"invite": ["person:bob"]}
    narrow = {"default": {"audiences": ["responders"]}}
    kept = await keep(channels=usual | {"processes": narrow})
    room = slack.named("checkout-17")
    assert (room.is_private, kept.state.invited) == (True, ["alice"])
    slack.delete(room.ref)
    open_to_all = {"default": {"audiences": ["responders"], "private_room": False}}
    kept = await keep(channels=usual | {"processes": open_to_all})
    assert (slack.named("checkout-17").is_private, kept.state.invited) == (False, ["alice", "bob"])

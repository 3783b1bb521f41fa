"""Hostile texts through everything that Tocsin says in Slack: nobody is mentioned, no link is masked.

Slack acts on `<…>` only: `<!channel>`, `<@U…>`, `<#C…>`, `<https://…|words>`. So none may stand in what
leaves, in any field, but those that Tocsin itself has put into the address of a button.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from activities.channels.chat_rooms import Card
from activities.channels.slack import as_post
from activities.channels.slack_cards import as_message
from activities.rooms import KeepingRooms
from domain.messages import Purpose
from domain.room_card import topic, wanted
from domain.rooms import KeepRoom, RoomState, room_name
from starter.answering import slack as slack_answers
from starter.answering.slack_screens import ephemeral
from templates.renderer import Renderer
from tests.factories import T0, an_incident
from tests.fakes.organisation import FixedPolicy, a_policy, an_outgoing
from tests.fakes.slack import TOKEN
from tests.fakes.slack_workspace import Workspace, a_workspace

HOSTILE = (
    "<!channel>", "<!here> now", "<!everyone>", "<!subteam^S0123|@oncall>", "<!date^1^{date}|now>",
    "<@U0BOB>", "<@W0BOB|bob>", "<#C0GENERAL>", "<#C0GENERAL|general>",
    "<http://evil.example|your bank>", "<https://evil.example/?a=1&b=2|status page>",
    "<mailto:evil@example.com|write to us>", "<javascript:alert(1)|x>", "<<!channel>>",
    "&lt;!channel&gt;", "&amp;lt;!channel&amp;gt;", "<!channel", "!channel>", "a <!channel>\n<!here> b",
    "<\u200b!channel>", "\u202e>lennahc!<", "<!channel>" * 200, "*bold* _it_ ~no~ `code` <!channel>",
    "```<!channel>```", "> <!channel>", "\x00<!channel>\x1b[2J", "<!channel|\ud800>",
    "\uff1c!channel\uff1e <!channel>", "<slack://user?team=T1|x>", "<!channel> " + "x" * 5000,
)  # fmt: skip


def actives(value: Any) -> list[str]:
    """Every text in a body in which Slack would find something to act on."""
    if isinstance(value, dict):
        return [found for one in value.values() for found in actives(one)]
    if isinstance(value, list):
        return [found for one in value for found in actives(one)]
    return [value] if isinstance(value, str) and ("<" in value or ">" in value) else []


def is_plain(block: dict[str, Any]) -> bool:
    """A text of the kind in which Slack reads nothing but words."""
    return block.get("type") == "plain_text"


def without_plain(value: Any) -> Any:
    """A body without its plain texts, which Slack shows as they are."""
    if isinstance(value, dict):
        return {} if is_plain(value) else {name: without_plain(one) for name, one in value.items()}
    return [without_plain(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_an_update_in_the_room(text: str) -> None:
    """Title, text and notification."""
    for purpose in (Purpose.INTERNAL_UPDATE, Purpose.PAGE):
        post = as_post(an_outgoing(purpose=purpose, subject=f"SEV1 {text}", text=f"Now: {text}"))
        assert actives(without_plain(post)) == []
        assert (post["parse"], post["link_names"]) == ("none", False)
        assert (post["unfurl_links"], post["unfurl_media"]) == (False, False)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_the_card(text: str) -> None:
    """Whatever stands in it; and an address that is none gets no button."""
    card = Card("checkout-1", f"checkout-1 {text}", f"Summary {text}", ["join"], [("Bridge", text)])
    post = as_message(card)
    assert actives(without_plain(post)) == []
    assert (post["parse"], post["link_names"]) == ("none", False)
    buttons = [one for block in post["blocks"] for one in block.get("elements", [])]
    assert [one["action_id"] for one in buttons] == ["room_join"]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_answers_to_commands_and_presses(text: str) -> None:
    """Only for whoever asked, and inert for them too."""
    for said in (ephemeral(f"checkout-1\n{text}"), slack_answers.private(text)):
        assert actives(said) == []
        assert len(said["text"]) <= 3000


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_rooms_name(text: str) -> None:
    """Letters and digits, whatever a template makes of an alert's words."""
    assert set(room_name(text, "checkout-1")) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_")


@pytest.fixture(scope="module")
def slack() -> Iterator[Workspace]:
    with a_workspace() as workspace:
        yield workspace


async def test_a_whole_room_of_them(slack: Workspace) -> None:
    """Summary, names, links of the incident: the strict workspace refuses nothing, and holds no mention."""
    from activities.channels.slack import SlackSettings
    from activities.channels.slack_rooms import SlackRooms

    settings = {"slack_bot_token": TOKEN, "slack_base_url": slack.fake.url}
    chat = SlackRooms(SlackSettings.model_validate(settings))
    keeping = KeepingRooms(FixedPolicy(a_policy()), Renderer(), {"slack": chat})
    state = RoomState(chat="slack", name="checkout-1")
    for text in HOSTILE:
        if "\ud800" in text:
            continue  # half a character leaves no API and no file
        incident = an_incident()
        incident.summary = text
        incident.communications.bridge = f"https://meet.example/{text}"
        incident.url = text
        assert len(topic(incident)) <= 250
        request = KeepRoom(
            incident=incident.view(), state=state, wanted=wanted(incident, "closed"), is_open=True,
            at=T0,
        )  # fmt: skip
        done = await keeping.keep_room(request)
        assert done.trouble is None, (text, done.detail)
        state = done.state
    await chat.aclose()
    (room,) = slack.rooms.values()
    assert slack.fake.refused == []
    held = json.dumps([without_plain(room.cards()), room.topics])
    assert "<!" not in held
    assert "<@" not in held
    assert "<http" not in held

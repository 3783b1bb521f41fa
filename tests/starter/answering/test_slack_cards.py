"""Buttons of a room's card, and the windows that they open: who may, and what is judged when."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
from pydantic import SecretStr

from starter.api import slack_commands
from tests.starter.answering.chat import (
    CAROL,
    DANA,
    REAL_CLIENT,
    STRANGER,
    Hooks,
    example,  # noqa: F401  its policy is in force here
    in_room,
)
from tests.starter.answering.conftest import SLACK_ALICE, Switchboard


def test_buttons_of_the_card(board: Switchboard) -> None:
    """Acknowledge and join are done for whoever presses; what needs words says what to type."""
    incident = in_room(board)
    answer = board.slack(incident, action="room_acknowledge").json()
    assert f"Acknowledged {incident}" in answer["text"]
    assert answer["replace_original"] is False, "the card is everybody's"
    assert [body["actor"] for _, body, _ in board.commands()] == ["alice"]
    board.slack(incident, action="room_join", user=CAROL)
    assert [body["actor"] for _, body, _ in board.commands("join")] == ["carol"]
    answer = board.slack(incident, action="room_publish_update", age=1).json()
    assert f"/tocsin update {incident} internal|external TEXT" in answer["text"]
    assert board.slack(incident, action="open_1", age=2).content == b""


def test_a_button_is_judged_again_when_it_is_pressed(board: Switchboard) -> None:
    """The card may be old: what is not possible any more, or not allowed, is not done."""
    incident = in_room(board)
    answer = board.slack(incident, action="room_reopen").json()
    assert f"{incident} is raised: that is not possible any more" in answer["text"]
    answer = board.slack(incident, action="room_acknowledge", user=DANA).json()
    assert "needs the role" in answer["text"]
    answer = board.slack(incident, action="room_acknowledge", user=STRANGER).json()
    assert "does not know who you are" in answer["text"]
    for action in ("room_cancel", "room_", "room_../x"):
        assert "no such action" in board.slack(incident, action=action).json()["text"]
    for value in ("", "desk/checkout", "checkout-1/postmortem", "x" * 3000):
        board.slack(value, action="room_acknowledge")
    assert board.commands() == []


# Windows.


def sent(
    board: Switchboard, incident: str, command: str, user: str = SLACK_ALICE, **fields: str
) -> str:
    """What somebody wrote into a window, as Slack signs it; answers the words that the window shows."""
    values = {
        name: {
            name: {"selected_option": {"value": value}} if name == "audience" else {"value": value}
        }
        for name, value in fields.items()
    }
    payload = {
        "type": "view_submission",
        "user": {"id": user},
        "trigger_id": str(next(board.sids)),
        "view": {
            "callback_id": f"tocsin/{command}",
            "private_metadata": incident,
            "state": {"values": values},
        },
    }
    answer = board.slack_raw(urlencode({"payload": json.dumps(payload)}))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["response_action"] == "update"
    (block,) = body["view"]["blocks"]
    assert block["text"]["type"] == "plain_text", "nothing in it is a mention"
    return str(block["text"]["text"])


class Windows(Hooks):
    """Slack's own API, as far as windows are opened by it."""

    def __init__(self, said: dict[str, Any]) -> None:
        super().__init__()
        self.said = said

    def client(self, **options: Any) -> httpx2.AsyncClient:
        assert options["trust_env"] is False
        assert "follow_redirects" not in options

        def take(request: httpx2.Request) -> httpx2.Response:
            body = json.loads(request.content)
            self.posted.append((request.headers["authorization"], body))
            return httpx2.Response(200, json=self.said)

        return REAL_CLIENT(transport=httpx2.MockTransport(take))


@pytest.fixture
def bot(board: Switchboard) -> Switchboard:
    """The API has the app's token too."""
    services = board.api.app.state.services  # type: ignore[attr-defined]
    settings = services.settings.model_copy(update={"slack_bot_token": SecretStr("xoxb-x")})
    board.api.app.state.services = replace(services, settings=settings)  # type: ignore[attr-defined]
    return board


def test_a_button_that_needs_words_opens_a_window(
    bot: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the incident in it, within what Slack takes; nothing else is said."""
    windows = Windows({"ok": True})
    monkeypatch.setattr(httpx2, "AsyncClient", windows.client)
    incident = in_room(bot)
    answer = bot.slack(incident, action="room_publish_update", trigger="1.2")
    assert (answer.status_code, answer.content) == (200, b"")
    ((authorization, opened),) = windows.posted
    assert authorization == "Bearer xoxb-x"
    assert opened["trigger_id"] == "1.2"
    view = opened["view"]
    assert (view["callback_id"], view["private_metadata"]) == ("tocsin/publish_update", incident)
    assert len(view["title"]["text"]) <= 24
    names = [block.get("block_id") for block in view["blocks"]]
    assert names == [None, "audience", "text"]
    assert "initial_option" not in view["blocks"][1]["element"]


@pytest.mark.parametrize("said", [{"ok": False, "error": "expired_trigger_id"}, {}, {"ok": "yes"}])
def test_a_window_that_cannot_be_opened_is_typed(
    bot: Switchboard, monkeypatch: pytest.MonkeyPatch, said: dict[str, Any]
) -> None:
    """Whatever keeps it shut, the person hears how else to do it."""
    monkeypatch.setattr(httpx2, "AsyncClient", Windows(said).client)
    incident = in_room(bot)
    answer = bot.slack(incident, action="room_escalate", trigger="1.2").json()
    assert f"/tocsin escalate {incident} to TARGET REASON" in answer["text"]


def test_what_is_written_into_a_window_is_a_command(board: Switchboard) -> None:
    """In the name of whoever sent it, with their roles; Slack has not escaped it."""
    incident = in_room(board)
    board.typed(f"ack {incident}", user=CAROL)
    said_ = sent(board, incident, "publish_update", audience="internal", text="5 < 6 & more")
    assert said_ == f"{incident}: internal update published."
    assert (
        sent(board, incident, "escalate", to="bob", reason="knows it")
        == f"{incident}: person:bob is paged."
    )
    assert "needs the role manager" in sent(board, incident, "resolve", summary="rolled back")
    assert (
        sent(board, incident, "resolve", CAROL, summary="rolled back") == f"{incident} is resolved."
    )
    assert [body["text"] for _, body, _ in board.commands("publish_update")] == ["5 < 6 & more"]
    assert [body["actor"] for _, body, _ in board.commands("resolve")] == ["carol"]


def test_a_window_is_judged_when_it_is_sent(board: Switchboard) -> None:
    """Too late, incomplete, for nobody, forged ids: words in the window, and nothing is done."""
    incident = in_room(board)
    board.temporal.updates.clear()
    assert "reopen is not possible" in sent(board, incident, "reopen", CAROL, reason="x")
    assert "Not done" in sent(board, incident, "publish_update", text="for whom?")
    assert "Whom?" in sent(board, incident, "escalate", reason="x")
    assert "does not know who you are" in sent(board, incident, "resolve", STRANGER, summary="x")
    assert "no such action" in sent(board, incident, "cancel", CAROL, reason="x")
    for value in ("", "desk/checkout", "checkout-1/postmortem"):
        assert "no such action" in sent(board, value, "resolve", CAROL, summary="x")
    assert "has no such field" in sent(board, incident, "resolve", CAROL, summary="x", actor2="bob")
    assert [name for _, name, _, _ in board.temporal.updates if name != "reopen"] == []


def test_a_slow_window_says_that_it_is_kept(
    board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Slack gives up; the command goes on, once."""
    monkeypatch.setattr(slack_commands, "ANSWER_SECONDS", 0.05)
    incident = in_room(board)
    update = board.temporal.update

    async def slowly(*given: Any) -> Any:
        await asyncio.sleep(0.3)
        return await update(*given)

    monkeypatch.setattr(board.temporal, "update", slowly)
    assert "Accepted" in sent(board, incident, "resolve", CAROL, summary="rolled back")
    deadline = time.monotonic() + 30
    while not board.commands("resolve") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(board.commands("resolve")) == 1


@pytest.mark.parametrize(
    "view",
    [
        None,
        [],
        {},
        {"callback_id": 5, "state": []},
        {"state": {"values": {"a": 1, "b": {"b": []}}}},
    ],
)
def test_a_broken_window_is_no_error(board: Switchboard, view: Any) -> None:
    """Whatever stands in a signed payload."""
    payload = {"type": "view_submission", "user": {"id": SLACK_ALICE}, "view": view}
    answer = board.slack_raw(urlencode({"payload": json.dumps(payload)}))
    assert answer.status_code in (200, 400)
    assert board.temporal.updates == []

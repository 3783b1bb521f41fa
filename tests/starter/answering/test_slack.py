"""Buttons in Slack: who may press them, what replaces them, and that Slack never waits three seconds."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest

from starter.api import callbacks
from starter.temporal_link import GatewayUnavailableError, NotAnsweredError
from tests.starter.answering.conftest import SLACK_ALICE, Switchboard


def test_acknowledge_replaces_the_buttons(board: Switchboard) -> None:
    """The message stays, its buttons go, and it says who has it: what is over offers nothing."""
    answer = board.slack(board.token(board.paged("alice", "", "slack")))
    assert answer.status_code == 200
    said = answer.json()
    assert said["replace_original"] is True
    assert said["text"] == "SEV1 checkout-1\nAcknowledged by Alice Ng"
    assert [block["type"] for block in said["blocks"]] == ["section", "context"]
    ((_, body, _),) = board.commands()
    assert (body["actor"], body["via"]) == ("alice", "chat")


def test_a_button_answers_one_incident_of_a_message_with_several(board: Switchboard) -> None:
    """The one that goes first; the message names the other as not answered."""
    page = board.paged("alice", "", "slack", bundle="alice/1")
    board.paged("alice", board.raised("search"), "slack", bundle="alice/1")
    said = board.slack(board.token(page)).json()["text"]
    assert said.endswith("checkout-1: Acknowledged by Alice Ng. Not answered by this: search-1")
    assert [incident for incident, _, _ in board.commands()] == ["checkout-1"]


def test_escalate_pages_the_next_step(board: Switchboard) -> None:
    """And says whom."""
    said = board.slack(board.token(board.paged()), action="escalate").json()
    assert "Escalated by Alice Ng to team:payments" in said["text"]
    assert len(board.commands("escalate")) == 1


@pytest.mark.parametrize("user", ["U0BOB", "", SLACK_ALICE.lower(), "alice"])
def test_only_the_person_who_was_paged_can_press(board: Switchboard, user) -> None:
    """Anybody else hears so in private, and the buttons stay for whom they are."""
    said = board.slack(board.token(board.paged()), user=user).json()
    assert said["replace_original"] is False
    assert said["response_type"] == "ephemeral"
    assert "Only alice" in said["text"]
    assert board.commands() == []


def test_dead_buttons_say_what_to_do(board: Switchboard) -> None:
    """Forged, expired, unknown action: private words, no effect."""
    token = board.token(board.paged())
    assert "of no page" in board.slack(token[:-3] + "AAA", age=1).json()["text"]
    assert "no such action" in board.slack(token, action="resolve", age=2).json()["text"]
    board.clock.skip(minutes=30)
    assert "tocsin ack checkout-1" in board.slack(token).json()["text"]
    assert board.commands() == []


def test_a_button_that_is_only_a_link_is_passed_over(board: Switchboard) -> None:
    """Slack tells of it all the same; nothing is said and nothing is done."""
    answer = board.slack(board.token(board.paged()), action="open")
    assert (answer.status_code, answer.content) == (200, b"")
    answer = board.slack_raw(urlencode({"payload": json.dumps({"type": "view_closed"})}))
    assert (answer.status_code, answer.content) == (200, b"")


def test_an_old_message_is_brought_up_to_date(board: Switchboard) -> None:
    """Whoever presses late sees who has it, and the buttons go there too."""
    page = board.paged("alice", "", "slack", "bob")
    url = "/api/v1/incidents/checkout-1/acknowledge"
    board.api.post(url, json={"actor": "bob", "via": "cli"})
    said = board.slack(board.token(page)).json()
    assert said["replace_original"] is True
    assert "Acknowledged by bob at 12:00 UTC" in said["text"]
    assert [fact.actor for fact in board.facts("checkout-1", "acknowledged")] == ["bob"]


def test_without_temporal_the_buttons_stay(board: Switchboard) -> None:
    """Not done is said in private, and can be tried again."""
    page = board.paged()
    board.temporal.update_error = GatewayUnavailableError("away")
    said = board.slack(board.token(page)).json()
    assert said["replace_original"] is False
    assert "NOT done" in said["text"]
    board.temporal.update_error = NotAnsweredError("slow")
    said = board.slack(board.token(page), age=1).json()
    assert "Accepted from Alice Ng" in said["text"]


class Hooks:
    """Slack's address for changing a message."""

    def __init__(self, status: int = 200) -> None:
        self.status, self.posted = status, []  # type: ignore[var-annotated]

    def client(self, **_: Any) -> httpx2.AsyncClient:
        def take(request: httpx2.Request) -> httpx2.Response:
            self.posted.append((str(request.url), json.loads(request.content)))
            return httpx2.Response(self.status)

        return _CLIENT(transport=httpx2.MockTransport(take))


_CLIENT = httpx2.AsyncClient
HOOK = "https://hooks.slack.com/actions/T1/2/abc"


def test_the_message_itself_is_changed(board: Switchboard, monkeypatch) -> None:
    """Slack reads the change of a block only at the address that came with the press."""
    hooks = Hooks()
    monkeypatch.setattr(httpx2, "AsyncClient", hooks.client)
    board.slack(board.token(board.paged()), response_url=HOOK)
    ((url, said),) = hooks.posted
    assert url == HOOK
    assert said["replace_original"] is True
    assert "Acknowledged by Alice Ng" in said["text"]


@pytest.mark.parametrize(
    "url",
    ["http://hooks.slack.com/x", "https://evil.example/x", "https://hooks.slack.com.evil.example/x",
     "http://127.0.0.1:7233/", "file:///etc/passwd", "https://hooks.slack.com@evil.example/", "x"],
)  # fmt: skip
def test_only_slack_is_posted_to(board: Switchboard, monkeypatch, url) -> None:
    """An address in a payload must not make us call somebody else."""
    hooks = Hooks()
    monkeypatch.setattr(httpx2, "AsyncClient", hooks.client)
    assert board.slack(board.token(board.paged()), response_url=url).status_code == 200
    assert hooks.posted == []


def test_a_message_that_cannot_be_changed_loses_nothing(board: Switchboard, monkeypatch) -> None:
    """The acknowledgement stands."""
    monkeypatch.setattr(httpx2, "AsyncClient", Hooks(status=500).client)
    assert board.slack(board.token(board.paged()), response_url=HOOK).status_code == 200
    assert len(board.facts("checkout-1", "acknowledged")) == 1


def test_slack_is_answered_before_it_gives_up(board: Switchboard, monkeypatch) -> None:
    """A worker that is slow: accepted at once, and the message is changed when it is known."""
    hooks = Hooks()
    monkeypatch.setattr(httpx2, "AsyncClient", hooks.client)
    monkeypatch.setattr(callbacks, "SLACK_ANSWER_SECONDS", 0.05)
    update = board.temporal.update

    async def slowly(*given: Any) -> Any:
        await asyncio.sleep(0.3)
        return await update(*given)

    page = board.paged()
    monkeypatch.setattr(board.temporal, "update", slowly)
    said = board.slack(board.token(page), response_url=HOOK).json()
    assert "Accepted" in said["text"]
    assert said["replace_original"] is False
    deadline = time.monotonic() + 30
    while len(hooks.posted) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [one["replace_original"] for _, one in hooks.posted] == [False, True]
    assert "Acknowledged by Alice Ng" in hooks.posted[1][1]["text"]

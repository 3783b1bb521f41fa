"""People who type in Slack: a policy that knows their accounts, an incident with a room, Slack itself."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from domain.facts import RoomOpened
from domain.recording import RecordBatch
from records.policy_file import LoadedPolicy, read_policy
from tests.starter.answering.conftest import Switchboard
from tests.starter.conftest import ROOT

CAROL, DANA, STRANGER = "U0CAROL", "U0DANA", "U0NOBODY"
ACCESS = "\naccess: {people: {carol: [manager, comms], dana: [viewer]}}\n"
REAL_CLIENT = httpx2.AsyncClient


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> LoadedPolicy:
    """Alice is a responder, carol leads and speaks to the outside, dana only reads."""
    text = (ROOT / "policy" / "example.yaml").read_text(encoding="utf-8") + ACCESS
    for person in ("alice", "carol", "dana"):
        before = f"{{channel: email, to: {person}@example.com}}"
        assert before in text
        text = text.replace(before, f"{before}, {{channel: slack, to: U0{person.upper()}}}")
    file = tmp_path_factory.mktemp("policy") / "policy.yaml"
    file.write_text(text, encoding="utf-8")
    return read_policy(file)


def said(answer: Any) -> str:
    """The words of a private answer."""
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["response_type"] == "ephemeral"
    assert (body["parse"], body["link_names"], body["unfurl_links"]) == ("none", False, False)
    return str(body["text"])


def in_room(board: Switchboard, ref: str = "C0ROOM") -> str:
    """An incident that has a room, in the workflow and in the records."""
    incident = board.raised()
    known = board.temporal.incidents[incident]
    board.temporal._record(known, [RoomOpened(room=incident, ref=ref, chat="slack")], "tocsin")
    stored(board, incident)
    return incident


def stored(board: Switchboard, incident: str) -> None:
    view = board.temporal.incidents[incident].view()
    batch = RecordBatch(subject="incident", id=incident, version=view["version"], view=view)
    board.records._writer.write(batch)


class Hooks:
    """Slack's address for later answers."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, dict[str, Any]]] = []

    def client(self, **_: Any) -> httpx2.AsyncClient:
        def take(request: httpx2.Request) -> httpx2.Response:
            self.posted.append(
                (str(request.url), httpx2.Response(200, content=request.content).json())
            )
            return httpx2.Response(200)

        return REAL_CLIENT(transport=httpx2.MockTransport(take))

"""Commands typed in Slack: who may, which incident is meant, what comes back, and what a thief can do."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest

from records.database import RecordsUnavailableError
from starter.answering.chat_words import USAGE, ChatError, read, unescaped
from starter.api import slack_commands
from starter.temporal_link import GatewayUnavailableError, NotAnsweredError
from tests.starter.answering.chat import (
    CAROL,
    DANA,
    STRANGER,
    Hooks,
    example,  # noqa: F401  its policy is in force here
    in_room,
    said,
    stored,
)
from tests.starter.answering.conftest import COMMAND_PATH, SLACK_ALICE, Switchboard


def test_taking_an_incident(board: Switchboard) -> None:
    """By its id, from anywhere: acknowledged for the person behind the account, said to be by chat."""
    incident = board.raised()
    assert (
        said(board.typed(f"ack {incident}")) == f"Acknowledged {incident} SEV1: Cards are refused"
    )
    ((_, body, _),) = board.commands()
    assert (body["actor"], body["via"]) == ("alice", "chat")


@pytest.mark.parametrize(
    ("typed", "command", "fields"),
    [
        ("update ID internal We look into it", "publish_update",
         {"audience": "internal", "text": "We look into it"}),
        ("escalate ID to bob knows the database", "escalate",
         {"to": "person:bob", "reason": "knows the database"}),
        ("escalate ID team:platform it is theirs", "escalate",
         {"to": "team:platform", "reason": "it is theirs"}),
        ("escalate ID to <@U0CAROL|carol> please look", "escalate",
         {"to": "person:carol", "reason": "please look"}),
        ("join ID", "join", {}),
        ("note ID the pool is full", "note", {"text": "the pool is full"}),
        ("leave ID", "leave", {}),
    ],
)  # fmt: skip
def test_what_a_responder_can_type(
    board: Switchboard, typed: str, command: str, fields: dict[str, Any]
) -> None:
    """Each becomes the same command as everybody's, in the name of whoever typed it."""
    incident = board.raised()
    board.typed(f"ack {incident}", user=CAROL)
    assert "Not" not in said(board.typed(typed.replace("ID", incident)))
    (*_, (where, body, _)) = board.commands(command)
    assert where == incident
    assert {name: body[name] for name in fields} == fields
    assert body["actor"] == "alice"


@pytest.mark.parametrize(
    ("typed", "command"),
    [
        ("severity ID SEV2 there is a workaround", "set_severity"),
        ("update ID external We look into it", "publish_update"),
        ("resolve ID rolled back", "resolve"),
    ],
)
def test_who_leads_can_type_more(board: Switchboard, typed: str, command: str) -> None:
    """What changes the incident for everybody needs its role, and the refusal names it."""
    incident = board.raised()
    board.typed(f"ack {incident}", user=CAROL)
    refused = said(board.typed(typed.replace("ID", incident)))
    assert "Not allowed" in refused
    assert "needs the role" in refused
    assert "your account in Slack has responder" in refused
    assert board.commands(command) == []
    assert "Not" not in said(board.typed(typed.replace("ID", incident), user=CAROL))
    assert [body["actor"] for _, body, _ in board.commands(command)] == ["carol"]


def test_who_only_reads_changes_nothing(board: Switchboard) -> None:
    """A list of roles in the policy counts, also where it is shorter than a responder's."""
    incident = board.raised()
    assert "needs the role responder" in said(board.typed(f"ack {incident}", user=DANA))
    assert incident in said(board.typed(f"status {incident}", user=DANA))
    assert board.commands() == []


def test_a_stranger_is_told_what_to_do(board: Switchboard) -> None:
    """An account in nobody's contacts does nothing, and learns how that changes."""
    incident = board.raised()
    answer = said(board.typed(f"ack {incident}", user=STRANGER))
    assert f"{{channel: slack, to: {STRANGER}}}" in answer
    assert board.commands() == []


def test_in_the_room_the_id_may_be_left_out(board: Switchboard) -> None:
    """The room says which incident is meant; a room of none does not."""
    incident = in_room(board)
    assert f"Acknowledged {incident}" in said(board.typed("ack", channel="C0ROOM"))
    assert said(board.typed("note the pool is full", channel="C0ROOM")) == f"{incident}: noted."
    assert "Which incident?" in said(board.typed("note the pool is full", channel="C0OTHER"))
    assert [body["text"] for _, body, _ in board.commands("note")] == ["the pool is full"]


def test_between_two_incidents_nothing_is_guessed(board: Switchboard) -> None:
    """A text that begins with another incident's id could be meant for either."""
    incident, other = in_room(board), board.raised()
    answer = said(board.typed(f"resolve {other} fixed", channel="C0ROOM", user=CAROL))
    assert f"This is the room of {incident}" in answer
    assert board.commands("resolve") == []
    board.typed(f"note {incident} same as utf-8", channel="C0ROOM")
    board.typed("note utf-8 again", channel="C0ROOM")
    assert [body["text"] for _, body, _ in board.commands("note")] == [
        "same as utf-8",
        "utf-8 again",
    ]
    assert f"Acknowledged {other}" in said(board.typed(f"ack {other}", channel="C0ROOM"))


def test_without_the_records_the_whole_id_is_enough(
    board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They only say whose room it is."""
    incident = in_room(board)

    async def away(*given: Any, **more: Any) -> Any:
        raise RecordsUnavailableError("away")

    monkeypatch.setattr(board.records, "read_if_up", away)
    assert "Which incident?" in said(board.typed("ack", channel="C0ROOM"))
    assert f"Acknowledged {incident}" in said(board.typed(f"ack {incident}", channel="C0ROOM"))


def test_an_illegal_command_says_what_is_legal(board: Switchboard) -> None:
    """The words of the state itself, as everywhere."""
    incident = board.raised()
    answer = said(board.typed(f"reopen {incident} it is back", user=CAROL))
    assert "reopen is not possible while the incident is raised" in answer
    assert "Possible now: `ack`, `update`, `escalate`" in answer
    board.typed(f"ack {incident}")
    only = said(board.typed(f"leave {incident}"))
    assert "alice is the only incident manager: hand over first" in only


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("escalate ID to bobb please", "did you mean person:bob"),
        ("severity ID SEV9 worse", "unknown severity 'SEV9'"),
        ("ack checkout-99", "unknown incident checkout-99"),
        ("update ID We look into it", "For whom?"),
        ("escalate ID to bob", "Something is missing"),
        ("note ID", "Something is missing"),
        ("akc ID", "Did you mean `ack`?"),
        ("escalate ID to <@U0NOBODY> please", "does not know who that is"),
        ("note ID " + "x" * 15_990, "At most 16000 characters"),
        ("list everything", "Type `/tocsin list`"),
    ],
)
def test_mistakes_come_back_in_plain_words(board: Switchboard, typed: str, expected: str) -> None:
    """What is wrong, what was probably meant, what to type; and nothing is done."""
    incident = board.raised()
    board.temporal.updates.clear()
    assert expected in said(board.typed(typed.replace("ID", incident), user=CAROL))
    assert [name for _, name, _, _ in board.temporal.updates if name != "acknowledge"] == []


def test_reading(board: Switchboard) -> None:
    """Status, who works on it, who is on call, what is open, every command."""
    incident = in_room(board)
    board.typed(f"ack {incident}")
    stored(board, incident)
    status = said(board.typed("status", channel="C0ROOM"))
    assert f"{incident} SEV1 P1 fixing: Cards are refused" in status
    assert "Incident manager: alice" in status
    assert "incident manager: alice (accepted)" in said(board.typed("who", channel="C0ROOM"))
    assert "payments: " in said(board.typed("who"))
    assert f"{incident} SEV1 fixing, alice has it" in said(board.typed("list"))
    helped = said(board.typed(""))
    assert all(f"/tocsin {usage}" in helped.replace("&lt;", "<") for usage in USAGE.values())
    assert "Which incident?" in said(board.typed("status"))


def test_hostile_words_mention_nobody(board: Switchboard) -> None:
    """What somebody wrote comes back escaped, with nothing that Slack would act on."""
    hostile = "<!channel> <@U0BOB> <http://evil.example|your bank>"
    incident = board.raised(summary=hostile)
    stored(board, incident)
    for typed in ("list", f"status {incident}", f"ack {incident}", f"{hostile} x"):
        text = said(board.typed(typed))
        assert "<" not in text
        assert ">" not in text
    assert "&lt;!channel&gt;" in said(board.typed("list"))


def test_slacks_spelling_is_undone(board: Switchboard) -> None:
    """An update for the public holds what was typed: no ids, no markup, no label over an address."""
    typed = "We &lt;3 you &amp; <@U0BOB|bob>: <https://status.example.com|status> <!here> <#C1|ops>"
    assert unescaped(typed) == "We <3 you & @bob: https://status.example.com @here #ops"


def test_an_update_that_needs_a_second_person_says_so(board: Switchboard) -> None:
    """Nobody believes it published that waits."""
    incident = board.raised()
    board.typed(f"ack {incident}", user=CAROL)
    known = board.temporal.incidents[incident]
    for one in known.policy.audiences.values():
        one.approval = True
    answer = said(board.typed(f"update {incident} external We look", user=CAROL))
    assert f"tocsin approve {incident} u1" in answer


# Signatures, replays, limits and time.


def test_forged_and_old_requests_do_nothing(board: Switchboard) -> None:
    """Another secret, one second too old, no signature: 403, and no word about anything."""
    incident = board.raised()
    assert board.typed(f"ack {incident}", secret="guessed").status_code == 403
    assert board.typed(f"ack {incident}", age=301).status_code == 403
    assert board.typed(f"ack {incident}", age=-301).status_code == 403
    bare = board.api.post(COMMAND_PATH, content="text=ack", headers={"Authorization": ""})
    assert bare.status_code == 403
    assert board.commands() == []
    assert board.typed(f"ack {incident}", age=300).status_code == 200


def test_a_command_cannot_be_replayed_or_edited(board: Switchboard) -> None:
    """The very same request counts once, and a signature holds for its bytes only."""
    incident = board.raised()
    fields = {"text": f"note {incident} once", "user_id": SLACK_ALICE, "channel_id": "C1"}
    body = urlencode(fields)
    assert board.slack_raw(body, path=COMMAND_PATH).status_code == 200
    again = board.slack_raw(body, path=COMMAND_PATH)
    assert (again.status_code, again.json()["code"]) == (403, "replayed")
    assert len(board.commands("note")) == 1


def test_a_press_is_no_command_and_a_command_no_press(board: Switchboard) -> None:
    """Each address takes its own kind of body."""
    assert board.slack_raw("text=list&user_id=U0ALICE").status_code == 400
    answer = board.slack_raw("payload=%7B%7D", path=COMMAND_PATH)
    assert "does not know who you are" in said(answer)
    assert board.slack_raw("\xff\xfe", path=COMMAND_PATH).status_code in (200, 400)


def test_one_account_has_a_limit(board: Switchboard) -> None:
    """Twenty a minute, and nobody else is held up."""
    answers = [said(board.typed("help")) for _ in range(25)]
    assert sum("Too many requests" in one for one in answers) == 5
    assert "Too many" not in said(board.typed("help", user=CAROL))


def test_without_temporal_it_is_said_not_to_be_done(board: Switchboard) -> None:
    """Kept as a signal is said to be kept; not kept is said loudly."""
    incident = board.raised()
    board.temporal.update_error = GatewayUnavailableError("away")
    assert "NOT done" in said(board.typed(f"ack {incident}"))
    board.temporal.update_error = NotAnsweredError("slow")
    assert "kept, and done as soon as a worker is up" in said(board.typed(f"ack {incident}"))


def test_a_bug_is_not_silence(board: Switchboard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slack shows nothing of an error: whoever typed hears that it was not done."""

    async def broken(*given: Any) -> Any:
        raise RuntimeError("bug")

    monkeypatch.setattr(board.desk.commands, "_do", broken)
    assert "NOT done" in said(board.typed("list"))


def test_slack_is_answered_before_it_gives_up(
    board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accepted at once, and told in private at Slack's own address when it is done; nowhere else."""
    hooks = Hooks()
    monkeypatch.setattr(httpx2, "AsyncClient", hooks.client)
    monkeypatch.setattr(slack_commands, "ANSWER_SECONDS", 0.05)
    incident = board.raised()
    update = board.temporal.update

    async def slowly(*given: Any) -> Any:
        await asyncio.sleep(0.3)
        return await update(*given)

    monkeypatch.setattr(board.temporal, "update", slowly)
    elsewhere = board.typed(f"note {incident} x", response_url="https://evil.example/x")
    assert "Accepted" in said(elsewhere)
    hook = "https://hooks.slack.com/commands/T1/2/abc"
    assert "Accepted" in said(board.typed(f"ack {incident}", response_url=hook))
    deadline = time.monotonic() + 30
    while not hooks.posted and time.monotonic() < deadline:
        time.sleep(0.01)
    ((url, later),) = hooks.posted
    assert url == hook
    assert later["response_type"] == "ephemeral"
    assert f"Acknowledged {incident}" in later["text"]


@pytest.mark.parametrize("text", ["", " ", "help", "HELP", "  help  "])
def test_nothing_is_help(text: str) -> None:
    """Whoever types nothing learns everything."""
    assert read(text, "", lambda name: True).verb == "help"


@pytest.mark.parametrize(
    "text", ["\x00", "\ud800", "ack\x00", "<", "ack <@U0BOB>", "🔥", "update update"]
)
def test_whatever_is_typed_is_read_or_refused(text: str) -> None:
    """Nothing in a line is an error of ours."""
    try:
        verb = read(text, "checkout-1", lambda name: True).verb
    except ChatError:
        return
    assert verb in USAGE

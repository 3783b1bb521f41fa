"""Reads: the right request, and every output form of the answer."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console
from ruamel.yaml import YAML

from starter.cli.card import card, page_waits
from tests.starter.cli.conftest import Tocsin
from tests.starter.cli.fake_api import FakeApi, an_incident

READS = [
    ("list", "/api/v1/incidents"),
    ("show checkout-17", "/api/v1/incidents/checkout-17"),
    ("timeline checkout-17", "/api/v1/incidents/checkout-17/timeline"),
    ("oncall now --service checkout", "/api/v1/oncall"),
    ("oncall schedule payments", "/api/v1/oncall/payments"),
    ("oncall schedule payments --days 30", "/api/v1/oncall/payments"),
    ("oncall gaps --days 14", "/api/v1/oncall/gaps"),
    ("oncall override list", "/api/v1/oncall/overrides"),
    ("oncall load --days 14", "/api/v1/oncall/load"),
    ("maintenance list --service checkout", "/api/v1/maintenance"),
    ("heartbeats", "/api/v1/heartbeats"),
    ("postmortem show checkout-17", "/api/v1/incidents/checkout-17/postmortem"),
    ("policy show", "/api/v1/policy"),
]


@pytest.mark.parametrize(("line", "path"), READS)
@pytest.mark.parametrize("form", ["table", "json", "yaml", "id"])
def test_a_read_in_every_form(
    line: str, path: str, form: str, tocsin: Tocsin, api: FakeApi
) -> None:
    """One form is for people, two are read by programs and say the same, one holds only ids."""
    result = tocsin(*line.split(), "-o", form)
    assert result.code == 0, result.err
    assert api.requests[0].path == path
    assert result.err == ""
    if form == "json":
        assert json.loads(result.out)
    elif form == "yaml":
        again = tocsin(*line.split(), "-o", "json")
        assert set(YAML(typ="safe").load(result.out)) == set(json.loads(again.out))
    elif form == "id":
        assert all(len(row.split()) == 1 for row in result.out.splitlines())
        assert result.out
    else:
        assert "\x1b" not in result.out


def test_list_passes_its_filters(tocsin: Tocsin, api: FakeApi) -> None:
    """Filters are the API's, not ours."""
    tocsin("list", "--status", "all", "--service", "checkout", "--severity", "SEV1")
    wanted = {"status": "all", "service": "checkout", "severity": "SEV1", "limit": "50"}
    assert api.requests[0].query == wanted


def test_list_reads_every_page_up_to_its_limit(tocsin: Tocsin, api: FakeApi) -> None:
    """A long list is read page by page, and what was left out is said."""
    api.incidents = {f"s-{n}": an_incident(f"s-{n}") for n in range(1, 8)}
    api.page_size = 3
    assert tocsin("list", "-o", "id").out.split() == [f"s-{n}" for n in range(1, 8)]
    result = tocsin("list", "-o", "id", "--limit", "5")
    assert result.out.split() == [f"s-{n}" for n in range(1, 6)]
    assert "more than 5" in result.err


def test_list_in_the_order_of_rank(tocsin: Tocsin, api: FakeApi) -> None:
    """What is to be worked on first stands first."""
    api.incidents = {
        f"s-{n}": an_incident(f"s-{n}", rank={"position": 4 - n, "of": 3}) for n in (1, 2, 3)
    }
    rows = tocsin("list").out.splitlines()[1:]
    assert [row.split()[0] for row in rows] == ["s-3", "s-2", "s-1"]


def test_an_empty_list_says_so(tocsin: Tocsin, api: FakeApi) -> None:
    """Nothing open is good news and not an empty screen."""
    api.incidents = {}
    assert tocsin("list").out == "no open incidents\n"
    assert tocsin("list", "-o", "id").out == ""


def test_the_card_answers_what_is_asked_at_night(tocsin: Tocsin) -> None:
    """What, how bad, rank, who leads, roles, due next, open questions, delivery, links."""
    out = tocsin("show", "checkout-17").out
    for said in (
        "checkout-17", "SEV1", "P1", "FIXING", "rank 1 of 3", "led by alice",
        "tech_lead: bob", "offered 12 min ago, no answer", "OVERDUE by 4 min", "in 5 min",
        "How many support cases have been opened?", "https://tickets.example.com/PAY-12",
        "sent: email 1; NOT sent: sms (rejected) 1", "sent: status_page 1", "#inc-checkout-17",
    ):  # fmt: skip
        assert said in out, said


@pytest.mark.parametrize(
    ("status", "public", "said"),
    [
        ("fixing", "identified", "says identified"),
        ("fixing", "resolved", "says resolved, and it is open again"),
        ("resolved", "identified", "still says identified"),
        ("resolved", "resolved", "says resolved"),
        ("closed", "identified", "says it is over, without a last word"),
        ("cancelled", "investigating", "says it is over, without a last word"),
        ("cancelled", "resolved", "says it is over"),
    ],
)
def test_the_card_says_what_the_page_says(
    status: str, public: str, said: str, tocsin: Tocsin, api: FakeApi
) -> None:
    """The page shows an incident as it was last published, and as over once it is closed or cancelled."""
    api.incidents["checkout-17"] |= {"status": status, "public_status": public}
    assert said in tocsin("show", "checkout-17").out


def test_the_card_says_to_whom_an_update_went(tocsin: Tocsin, api: FakeApi) -> None:
    """Which audiences heard it, who wrote it, and who agreed."""
    (*_, last) = api.incidents["checkout-17"]["updates"]
    last |= {"audiences": ["partners", "press"], "approved_by": "bob"}
    out = " ".join(tocsin("show", "checkout-17").out.split())
    assert "to partners, press, by alice, approved by bob" in out


def test_the_card_of_an_incident_nobody_took(tocsin: Tocsin, api: FakeApi) -> None:
    """That nobody leads is the first thing to see."""
    api.incidents["checkout-17"] |= {
        "status": "raised", "incident_manager": None, "acknowledged_at": None, "roles": [],
        "updates": [], "rank": None, "confirmed_at": None,
    }  # fmt: skip
    out = tocsin("show", "checkout-17").out
    assert "nobody leads" in out.splitlines()[0]
    assert "nobody has acknowledged" in out


CAUSE = "database-2 (SEV1) is the likely cause: checkout depends on database; nobody is paged"
HELD = {"fact": "held_for_cause", "text": CAUSE, "data": {"run": "p1"}}
GOES = {"fact": "cause_ended", "text": "the page goes out", "data": {"pages": True}}
STAYS = {"fact": "cause_ended", "text": "nothing fires here any more", "data": {"pages": False}}
PAGED = {"fact": "step_paged", "text": "Step 1 of round 1 pages alice", "data": {}}
WORKS = {"fact": "in_maintenance", "text": "In maintenance until Mon", "data": {"run": "p1"}}
ASKED = {
    "fact": "in_maintenance",
    "text": "In maintenance; paged all the same",
    "data": {"run": None},
}
HOURS = {"fact": "page_held", "text": "SEV3 waits for working hours", "data": {}}


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([], ""), ([PAGED], ""), ([HELD], CAUSE), ([HELD, GOES], ""), ([HELD, PAGED], ""),
        ([HELD, STAYS], STAYS["text"]), ([HELD, STAYS, PAGED], ""), ([WORKS], WORKS["text"]),
        ([ASKED, PAGED], ""), ([PAGED, HOURS], HOURS["text"]),
    ],
)  # fmt: skip
def test_why_nobody_was_paged_yet(entries: list[dict[str, Any]], why: str) -> None:
    """Whoever looks at an incident that nobody took sees that its page waits, and for what."""
    assert page_waits(entries) == why
    view = {"id": "checkout-17", "status": "raised"}
    out = Console(width=200, record=True, file=io.StringIO())
    out.print(card(view, entries))
    assert ("waits: " in out.export_text()) == bool(why)


def test_the_card_says_where_the_room_is_and_that_it_cannot_be_used(
    tocsin: Tocsin, api: FakeApi
) -> None:
    """Its address at the chat, and why nobody can talk there."""
    api.incidents["checkout-17"]["communications"] |= {
        "room_url": "https://x.slack.com/archives/C1",
        "room_trouble": "archived",
    }
    shown = " ".join(tocsin("show", "checkout-17").out.split())
    assert "#inc-checkout-17 https://x.slack.com/archives/C1 cannot be used: archived" in shown


def test_a_sparse_incident_has_a_card(tocsin: Tocsin, api: FakeApi) -> None:
    """An older API, or a record with gaps, is shown all the same."""
    api.next_answer = (200, {"id": "checkout-17", "status": "raised"})
    assert "checkout-17" in tocsin("show", "checkout-17").out
    api.next_answer = (200, {"incidents": [{"id": "checkout-17"}]})
    assert "checkout-17" in tocsin("list").out


def test_the_timeline_has_one_line_an_entry(tocsin: Tocsin, api: FakeApi) -> None:
    """Also where a text has several lines, and over several pages; the time stands in UTC too."""
    api.page_size = 3
    rows = tocsin("timeline", "checkout-17").out.splitlines()
    assert len(rows) == 8
    assert rows[-1].endswith("noted  bob  Rollback of one node started ⏎ watching its error rate")
    assert rows[0].split("  ")[1].endswith("Z")


def test_control_characters_never_reach_the_terminal(tocsin: Tocsin, api: FakeApi) -> None:
    """A summary cannot clear the screen, recolour it, or turn its text round."""
    nasty = "\x1b[2Jgone \x9b31m \u202efdp.exe \x07"
    api.incidents["checkout-17"] |= {"summary": nasty, "description": f"{nasty}\nsecond line"}
    for line in ("list", "show checkout-17", "note checkout-17 x"):
        for form in ("table", "json", "yaml"):
            out = tocsin(*line.split(), "-o", form).out
            assert not set("\x1b\x9b\u202e\x07") & set(out), (line, form)
    shown = json.loads(tocsin("show", "checkout-17", "-o", "json").out)
    assert shown["summary"] == nasty
    shown = YAML(typ="safe").load(tocsin("show", "checkout-17", "-o", "yaml").out)
    assert shown["summary"] == nasty


def test_nothing_is_cut_where_nobody_looks(tocsin: Tocsin, api: FakeApi) -> None:
    """Piped into a program, a long summary stays whole and on one line."""
    summary = "very " * 100 + "long"
    api.incidents["checkout-17"]["summary"] = summary
    rows = tocsin("list").out.splitlines()
    assert len(rows) == 2
    assert rows[1].endswith(summary)


@pytest.mark.parametrize(
    ("environment", "flags", "is_coloured"),
    [
        ({}, [], False),
        ({"FORCE_COLOR": "1"}, [], True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, [], False),
        ({"NO_COLOR": "1"}, ["--color", "always"], True),
        ({"FORCE_COLOR": "1"}, ["--color", "never"], False),
    ],
)
def test_colour_is_as_asked(
    environment: dict[str, str],
    flags: list[str],
    is_coloured: bool,
    tocsin: Tocsin,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """--color, then NO_COLOR, then FORCE_COLOR, then whether it is a terminal."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert ("\x1b" in tocsin(*flags, "list").out) is is_coloured


def test_export_prints_the_document(tocsin: Tocsin, api: FakeApi, tmp_path: object) -> None:
    """On stdout, or into a file."""
    assert tocsin("postmortem", "export", "checkout-17").out.startswith("# Postmortem")
    assert api.requests[0].query == {"format": "md"}
    file = f"{tmp_path}/p.html"
    assert (
        tocsin("postmortem", "export", "checkout-17", "--format", "html", "--file", file).code == 0
    )
    with open(file) as written:  # noqa: PTH123
        assert "html" in written.read()


def test_explain_sends_the_payload(tocsin: Tocsin, api: FakeApi, tmp_path: object) -> None:
    """The alert goes along whole, with the integration that it would come through."""
    file = f"{tmp_path}/alert.json"
    with open(file, "w") as out:  # noqa: PTH123
        out.write('{"alerts": []}')
    assert tocsin("policy", "explain", file, "--integration", "prometheus").code == 0
    assert api.requests[0].body == {"payload": {"alerts": []}, "integration": "prometheus"}


def test_explain_sends_text_and_headers(
    tocsin: Tocsin, api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no JSON goes along as it is, with the format and the sender's headers."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a=1&b=2")))
    header = "Content-Type: application/x-www-form-urlencoded"
    assert tocsin("policy", "explain", "--format", "email", "-H", header).code == 0
    assert api.requests[0].body == {
        "text": "a=1&b=2",
        "format": "email",
        "headers": {"Content-Type": "application/x-www-form-urlencoded"},
    }


def test_explain_says_what_decided_each_field(
    tocsin: Tocsin, api: FakeApi, tmp_path: object
) -> None:
    """Field, value and reason, alert by alert, with the notes."""
    decided = [{"field": "service", "value": "checkout", "by": 'rules[0] "staging"'}]
    alert = {"status": "firing", "summary": "Slow", "decided": decided, "notes": ["odd"]}
    found = {"integration": "prometheus", "format": "alertmanager", "alerts": [alert]}
    api.next_answer = (200, found)
    file = f"{tmp_path}/alert.json"
    with open(file, "w") as out:  # noqa: PTH123
        out.write("{}")
    rows = tocsin("policy", "explain", file).out.splitlines()
    assert rows[0] == "prometheus, format alertmanager"
    assert rows[2] == "firing: Slow"
    assert rows[4].split(maxsplit=2) == ["service", "checkout", 'rules[0] "staging"']
    assert rows[5] == "note: odd"


@pytest.mark.parametrize(
    ("content", "option", "says"),
    [("", [], "is empty"), ("{}", ["--header", "nothing"], "is no header")],
)
def test_explain_refuses_what_it_cannot_send(
    tocsin: Tocsin, api: FakeApi, tmp_path: object, content: str, option: list[str], says: str
) -> None:
    """A usage error that says what is wrong; nothing is asked."""
    file = f"{tmp_path}/alert.json"
    with open(file, "w") as out:  # noqa: PTH123
        out.write(content)
    result = tocsin("policy", "explain", file, *option)
    assert (result.code, says in result.err) == (2, True)
    assert api.requests == []


def test_the_policy_in_force_is_named_by_its_hash(tocsin: Tocsin, api: FakeApi) -> None:
    """Not by the version of the file format; the names in it follow."""
    sections = {"version": 1, "people": {"alice": {}, "bob": {}}}
    api.next_answer = (200, {"version": "3f1c", "fault": None, "policy": sections})
    out = tocsin("policy", "show").out
    assert out.split() == ["version", "3f1c", "fault", "-", "people", "alice,", "bob"]


def test_a_desk_that_does_not_answer_is_named(tocsin: Tocsin, api: FakeApi) -> None:
    """A list of windows that may lack some says whose."""
    api.next_answer = 200, {"windows": [], "unanswered": ["search"]}
    result = tocsin("maintenance", "list")
    assert result.out == "no maintenance\n"
    assert "not answered for: search" in result.err

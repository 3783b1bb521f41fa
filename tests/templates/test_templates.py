"""Every template renders with its examples, says what it must, and lets nothing through to its sink."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jinja2 import meta

from activities.wording import announcement_text
from domain.incident import Incident
from domain.messages import Announcement, Purpose
from domain.policy.model import Policy
from domain.policy.slice import slice_for
from templates.renderer import BUILT_IN, Renderer, TemplateFaultError, examples
from templates.sandbox import Sandbox

MESSAGES = sorted(file.parent.name for file in BUILT_IN.glob("*/subject.j2"))
TEXTS = sorted(file.name for file in (BUILT_IN / "update_text").glob("*.j2"))
DOCUMENTS = sorted(
    str(file.relative_to(BUILT_IN)) for file in (BUILT_IN / "postmortem").rglob("*.j2")
)
HOSTILE = "<script>alert(1)</script>\r\nBcc: all@x\x1b[2J\x00\u202e[x](javascript:1) # | `$(rm)`"
CASES = [
    pytest.param(folder, case, id=f"{folder}-{number}")
    for folder in MESSAGES
    for number, case in enumerate(examples(folder))
]


def _hostile(value: Any, key: str = "") -> Any:
    """The context with every text of people replaced by something nasty."""
    if isinstance(value, dict):
        return {k: _hostile(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [_hostile(item, key) for item in value]
    kept = re.compile(r"(^id$|_at$|^at$|status|topic|how|variant|severity|priority|state|fact)")
    return HOSTILE if isinstance(value, str) and not kept.search(key) else value


def test_the_example_incident_is_a_whole_view() -> None:
    """The examples stand on a view with exactly the keys of the real one."""
    pinned = slice_for(Policy(), "checkout")
    at = datetime(2026, 11, 24, tzinfo=UTC)
    real = Incident(id="checkout-1", service="checkout", policy=pinned, raised_at=at).view()
    example = examples("page")[0]["incident"]
    assert set(example) == set(real)
    assert set(example["communications"]) == set(real["communications"])


def test_every_folder_has_all_its_files() -> None:
    """A message is subject, text, HTML and an example; a text or document has its example."""
    for folder in MESSAGES:
        names = {file.name for file in (BUILT_IN / folder).iterdir()}
        assert {"subject.j2", "body.txt.j2", "body.html.j2", "example.json"} <= names, folder
    assert MESSAGES == [
        "external_update",
        "internal_update",
        "operator",
        "page",
        "page_bundle",
        "page_directly",
        "page_update",
        "postmortem_notice",
        "rank_notice",
        "reminder",
        "report_answer",
        "report_notice",
        "role",
        "subscriber_invite",
        "subscriber_update",
        "test_page",
    ]


@pytest.mark.parametrize(("folder", "case"), CASES)
def test_a_message_renders_with_its_example(folder: str, case: dict[str, Any]) -> None:
    """Subject and first line fit a short message; nothing is undefined; the HTML is a document."""
    done = Renderer().render(folder, case)
    assert 0 < len(done.subject) <= 160
    assert done.text.splitlines()[0] == done.subject
    assert "\n\n\n" not in done.text
    assert done.html is not None
    assert done.html.startswith("<!doctype html>")
    assert not re.search(r"\bNone\b|Undefined|\{\{|\{%", done.subject + done.text + done.html)


@pytest.mark.parametrize(("folder", "case"), CASES)
def test_hostile_text_stays_text(folder: str, case: dict[str, Any]) -> None:
    """No tag in HTML, no control character and no second line where one line is meant."""
    done = Renderer().render(folder, _hostile(case))
    assert done.html is not None
    assert "<script" not in done.html
    assert "javascript:1" not in re.findall(r'href="([^"]*)"', done.html)
    assert "\n" not in done.subject
    assert len(done.subject) <= 200
    for text in (done.subject, done.text, done.html):
        assert not re.search("[\x00\x1b\r\u202e]", text)


@pytest.mark.parametrize("name", TEXTS)
def test_an_update_text_renders_with_its_examples(name: str) -> None:
    """Each of our own updates renders, and with hostile words too."""
    for case in examples("update_text"):
        assert Renderer().render_file(f"update_text/{name}", case).strip()
        text = Renderer().render_file(f"update_text/{name}", _hostile(case))
        assert not re.search("[\x00\x1b\r\u202e]", text)


def test_the_update_texts_are_there() -> None:
    """Both audiences have an initial and a final text, and the outside one for when it is back."""
    assert TEXTS == [
        "external_final.txt.j2",
        "external_initial.txt.j2",
        "external_reopened.txt.j2",
        "internal_final.txt.j2",
        "internal_initial.txt.j2",
    ]


@pytest.mark.parametrize("name", [n for n in TEXTS if n.startswith("external")])
def test_the_outside_hears_nothing_internal(name: str) -> None:
    """External texts ask for nothing of the incident but product name and state."""
    source = (BUILT_IN / "update_text" / name).read_text()
    used = set(re.findall(r"incident\.(\w+)", source))
    assert used <= {"service_name", "status"}
    for file in (BUILT_IN / "external_update").glob("*.j2"):
        assert set(re.findall(r"incident\.(\w+)", file.read_text())) <= {"service_name"}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_renders_with_its_example(name: str) -> None:
    """Each draft field and both documents render, blameless and without what the sink would run."""
    for case in examples("postmortem"):
        done = Renderer().render_file(name, case)
        if "/draft/" in name:
            assert "alice" not in done
        hostile = Renderer().render_file(name, _hostile(case))
        assert not re.search("[\x00\x1b\r\u202e]", hostile)
        if not name.endswith(".txt.j2"):
            assert "<script" not in hostile


def test_markdown_of_people_does_not_become_ours() -> None:
    """A person's words start no heading, no table row and no link of their own."""
    done = Renderer().render_file("postmortem/document.md.j2", _hostile(examples("postmortem")[0]))
    assert not re.search(r"(?<!\\)\]\(", done)
    headings = [found for found in done.splitlines() if found.startswith("#")]
    assert len(headings) == 1 + len(examples("postmortem")[0]["postmortem"]["fields"]) + 2


def test_the_timeline_of_the_document_names_roles() -> None:
    """The document says who did what by role, with its time; the fact names stay readable."""
    done = Renderer().render_file("postmortem/document.md.j2", examples("postmortem")[0])
    assert "`page_sent` · Tocsin: Paged incident manager by sms" in done
    assert "**2026-11-24 14:09 UTC**" in done
    assert "- [ ] Alert on certificates" in done


def test_a_page_says_it_at_a_glance() -> None:
    """Id, severity, priority, rank, summary, service, link; LATE and the reason where they apply."""
    first, late = (Renderer().render("page", case) for case in examples("page"))
    for part in ("checkout-17", "SEV1", "P1", "#1 of 3", "Card payments are refused", "Checkout"):
        assert part in first.subject
    assert "top priority: #1 of 3 open" in first.text
    assert "https://tocsin.example.com/i/checkout-17" in first.text
    assert late.subject.startswith("LATE ")
    assert "You are called in: The database answers slowly" in late.text


def test_a_long_summary_leaves_room_for_what_matters() -> None:
    """However long the summary, the first line fits and still begins with id, severity and rank."""
    case = examples("page")[0]
    case["incident"]["summary"] = "x" * 500
    done = Renderer().render("page", case)
    assert len(done.subject) == 160
    assert done.subject.startswith("checkout-17 SEV1 P1 #1 of 3 Checkout: xxx")


def test_an_organisation_replaces_single_files(tmp_path: Path) -> None:
    """A folder of its own comes first; what it does not hold is ours."""
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "subject.j2").write_text("Ring ring: {{ incident.id }}")
    done = Renderer([tmp_path]).render("page", examples("page")[0])
    assert done.subject == "Ring ring: checkout-17"
    assert "Service: Checkout" in done.text


@pytest.mark.parametrize(
    "source",
    [
        "{{ nothing }}",
        "{{ incident.nothing }}",
        "{% for %}",
        "{{ ''.__class__.__mro__ }}",
        "{{ 1 / 0 }}",
        "{% include '../../../etc/passwd' %}",
        "{% for i in range(999999999) %}x{% endfor %}",
    ],
)
def test_a_broken_or_nosy_template_is_a_fault(tmp_path: Path, source: str) -> None:
    """What is missing, wrong or not a template's business ends in one kind of error."""
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "body.txt.j2").write_text(source)
    with pytest.raises(TemplateFaultError, match=r"template page/body\.txt\.j2: "):
        Renderer([tmp_path]).render("page", examples("page")[0])
    with pytest.raises(TemplateFaultError):
        Renderer().render_line(source, {"id": "checkout-17"})


def test_no_template_asks_for_more_than_its_message_gives() -> None:
    """The names a message's templates use are those of its examples, or tested for."""
    environment = Sandbox([BUILT_IN]).text
    for folder in MESSAGES:
        given: set[str] = set().union(*(set(case) for case in examples(folder)))
        for file in (BUILT_IN / folder).glob("*.j2"):
            used = meta.find_undeclared_variables(environment.parse(file.read_text()))
            assert used <= given | {"self"}, f"{folder}/{file.name}"


def test_an_update_does_not_repeat_its_title() -> None:
    """Our own initial text begins with the title, which the message shows already."""
    case = examples("external_update")[0]
    case["incident"]["service_name"] = "Basket & Checkout"
    case["text"] = Renderer().render_file(
        "update_text/external_initial.txt.j2", case | {"next_update_at": None}
    )
    done = Renderer().render("external_update", case)
    assert done.html is not None
    for text in (done.text, done.html.partition("<body")[2]):
        assert len(re.findall("Investigating issues with Basket", text)) == 1
    assert "We know that there is a problem" in done.text


@pytest.mark.parametrize("folder", ["internal_update", "external_update"])
def test_an_update_has_every_form(folder: str) -> None:
    """Plain text, HTML, one for rooms and one for networks that take little, none of them cut."""
    for case in examples(folder):
        done = Renderer().render(folder, case)
        assert done.chat is not None
        assert done.short is not None
        first, _, rest = done.short.partition("\n")
        assert len(first) <= 280
        words = case["text"].replace("\n", " ")
        assert words in first
        assert "…" not in done.short
        assert rest.strip() in ("", case["incident"]["url"])
        for form in (done.chat, done.short):
            assert ("Next update: 2026-11-24" in form) is (case["next_update_at"] is not None)


def test_a_text_too_long_for_the_short_form_has_none() -> None:
    """Whoever sends takes a longer form: no half of a sentence reaches the public."""
    case = examples("external_update")[0]
    done = Renderer().render("external_update", case | {"text": "We know. " * 40})
    assert done.short is None
    assert done.chat is not None
    done = Renderer().render("external_update", case | {"text": "We know. " * 26})
    assert (done.short or "").startswith("We know. We know."), "without its title it fits"


def test_an_authors_markdown_is_that_in_every_form() -> None:
    """Lists and links are lists and links in HTML, and words everywhere else."""
    text = "Cards **fail**.\n\n- one\n- [two](https://example.com/two)"
    done = Renderer().render("external_update", examples("external_update")[0] | {"text": text})
    assert done.html is not None
    assert "<strong>fail</strong>" in done.html
    assert (
        '<li><a href="https://example.com/two" rel="nofollow noopener noreferrer">two</a></li>'
        in (done.html)
    )
    for form in (done.text, done.chat, done.short):
        assert "Cards fail." in (form or "")
        assert "two (https://example.com/two)" in (form or "")


def test_our_first_texts_say_what_is_not_known() -> None:
    """How many, and the cause: what nobody knows yet is said to be unknown, inside and outside."""
    case = examples("update_text")[0]
    case["incident"] = case["incident"] | {"assessment": {}, "theories": [], "experiments": []}
    inside = Renderer().render_file("update_text/internal_initial.txt.j2", case)
    for question in ("Impact", "How many", "Cause"):
        assert f"{question}: not known yet" in inside
    known = case["incident"] | {
        "assessment": {"customer_impact": "No cards", "affected_count": 120},
        "theories": [{"id": "t1", "text": "Old certificate", "state": "supported", "reason": None}],
        "experiments": [{"id": "e1", "theory": "t1", "text": "Renew it", "result": None}],
    }
    inside = Renderer().render_file(
        "update_text/internal_initial.txt.j2", case | {"incident": known}
    )
    for said in ("Impact: No cards", "How many: 120", "Cause: Old certificate", "Next: Renew it"):
        assert said in inside
    outside = Renderer().render_file("update_text/external_initial.txt.j2", case)
    assert "Its cause, and how many are affected, is not known yet." in outside


@pytest.mark.parametrize("topic", ["update_due", "draft", "approve"])
def test_a_checklist_stands_beside_a_draft(topic: str) -> None:
    """Whoever writes or reads an update sees what it should say, and what the incident knows of it."""
    incident = examples("reminder")[0]["incident"]
    reminder = Announcement(
        key="k",
        purpose=Purpose.REMINDER,
        template="reminder",
        recipients=[],
        context={"topic": topic, "audience": "external", "text": "Checkout fails.", "by": "alice"},
    )
    said, faults = announcement_text(Renderer(), incident, "Example", reminder)
    assert not faults
    assert "[x] What happens? Known inside: Checkout" in said.text
    assert "[ ] How many are affected? Known inside: all" in said.text
    assert "[ ] What is the cause? Not known: say so." in said.text
    assert "[ ] What is the cause? Not known: say so." in (said.html or "")

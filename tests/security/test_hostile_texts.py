"""Hostile texts through every place where people read what was said: no active node, mention or header.

Each is the text, the title and the product's name at once. What reads is real: the channels before their
strict fakes, a parser for HTML, XML, mail, CSV and JSON.
"""

from __future__ import annotations

import json
import re
from email.utils import getaddresses
from typing import Any
from xml.etree import ElementTree

import pytest

from activities.channels.base import Outgoing
from activities.channels.email import EmailChannel, EmailSettings
from activities.channels.posts import post_of
from activities.wording import announcement_text
from domain.errors import DeliveryError
from domain.messages import Announcement, Purpose
from starter.cli import previews
from starter.cli.output import as_json, as_yaml
from starter.cli.screen import clean, one_line
from templates.filters import plain
from templates.markdown import REL, TAGS, public_html, public_text
from templates.renderer import BUILT_IN, Rendered, Renderer
from templates.status_site import build_site
from tests.activities.channels.rigs import RIGS, Bench, an_update
from tests.fakes.organisation import an_outgoing
from tests.fakes.smtp import smtp_fake
from tests.security.hostile_words import HOSTILE, Nodes, refuse_active, refuse_controls
from tests.templates.test_status_site import a_model

RENDERER = Renderer()
EACH = pytest.mark.parametrize("text", list(HOSTILE.values()), ids=list(HOSTILE))
MAIL_NODES = frozenset({"meta", "title"})
SECRETS = {
    "summary": "SECRET-summary",
    "description": "SECRET-description",
    "reporter": "SECRET-reporter",
    "url": "https://SECRET.example",
    "resolution": "SECRET-resolution",
    "assessment": {"customer_impact": "SECRET-impact"},
    "theories": [{"id": "t1", "text": "SECRET-theory", "state": "open", "reason": None}],
    "alerts": [{"labels": {"host": "SECRET-host"}}],
}


def said(text: str, purpose: Purpose, **view: Any) -> Rendered:
    """The message of an update whose every word is hostile."""
    incident = {
        "id": "checkout-17", "severity": "SEV1", "service": "checkout", "service_name": text,
        "summary": text, "description": text, "url": text, "status": "fixing", **view,
    }  # fmt: skip
    update = Announcement(
        key="checkout-17/update/1",
        purpose=purpose,
        template=purpose.value,
        recipients=[],
        context={"text": text, "status": None, "variant": "follow_up", "by": text,
                 "next_update_at": "2026-11-24T14:27:00Z"},
    )  # fmt: skip
    done, faults = announcement_text(RENDERER, incident, text, update)
    assert not faults
    return done


def test_there_are_enough_of_them() -> None:
    """At least sixty, none twice."""
    assert len(set(HOSTILE.values())) == len(HOSTILE) >= 60


@EACH
def test_the_public_page(text: str) -> None:
    """An author's Markdown: elements of the list only, links over https to places that they name."""
    made = public_html(text)
    refuse_active(made)
    for tag, attributes in Nodes(made).tags:
        assert tag in TAGS
        assert set(attributes) <= ({"href", "rel"} if tag == "a" else set())
        if tag == "a":
            assert attributes["rel"] == REL
    refuse_controls(public_text(text))


@EACH
def test_the_status_site(text: str) -> None:
    """Every page, both feeds and every JSON document of the site, with the text in each place."""
    for path, file in build_site(a_model(text, plain(text).strip()[:100] or "x"), RENDERER).items():
        content = file.body.decode()
        if path.endswith(".html"):
            assert "<script" not in re.sub(
                r'<script[^>]* src="[^"]*live\.js"[^>]*></script>', "", content
            )
            refuse_active(content, own=frozenset({"script", "link", "details", "svg", "form"}))
        elif path.endswith((".atom", ".rss")):
            for node in ElementTree.fromstring(content).iter():
                refuse_controls(node.text or "")
                if node.tag.endswith(("content", "description")):
                    refuse_active(node.text or "")
        elif path.endswith(".json"):
            _each_text(json.loads(content), refuse_controls)


def _each_text(value: Any, check: Any) -> None:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            _each_text(one, check)
    elif isinstance(value, str):
        check(value)


@EACH
@pytest.mark.parametrize("purpose", [Purpose.EXTERNAL_UPDATE, Purpose.INTERNAL_UPDATE])
def test_a_message_in_each_form(text: str, purpose: Purpose) -> None:
    """Mail has no node of theirs, a subject is one line, a room and a phone get no control character."""
    done = said(text, purpose)
    assert done.html is not None
    refuse_active(done.html, own=MAIL_NODES, places="https http")
    refuse_controls(done.subject, lines=False)
    assert len(done.subject) <= 200
    for form in (done.text, done.chat or "", done.short or ""):
        refuse_controls(form)
    assert len((done.short or "").split("\n")[0]) <= 280


@EACH
@pytest.mark.parametrize("name", ["page", "reminder", "role"])
def test_messages_to_colleagues(text: str, name: str) -> None:
    """A page, a reminder and an offer hold what alerts and people wrote: in none of them does it act."""
    case = json.loads((BUILT_IN / name / "example.json").read_text())[0]
    incident = json.loads((BUILT_IN / "_shared" / "incident.json").read_text())
    incident |= {"summary": text, "description": text, "service_name": text, "url": text}
    context = {"organisation": text, **case, "incident": incident}
    context |= {key: text for key in ("reason", "what", "text", "briefing") if key in case}
    done = RENDERER.render(name, context)
    refuse_active(done.html or "", own=MAIL_NODES, places="https http")
    refuse_controls(done.subject, lines=False)
    refuse_controls(done.text)


async def _sent(name: str, **settings: Any) -> list[tuple[str, Any]]:
    """Every hostile text through a real channel before its fake: the text's name, and what was taken."""
    taken: list[tuple[str, Any]] = []
    with RIGS[name].fake() as fake:
        bench = Bench(name, fake, **settings)
        try:
            for label, text in HOSTILE.items():
                done = said(text, Purpose.EXTERNAL_UPDATE)
                before = len(fake.accepted)
                update = an_update(title=done.subject, text=text)
                await bench.channel.send(
                    bench.message(
                        key=f"k/{label}", purpose=Purpose.EXTERNAL_UPDATE, answer=None, update=update,
                        subject=done.subject, text=done.text, html=done.html,
                    )
                )  # fmt: skip
                taken += [(label, one) for one in fake.accepted[before:]]
        finally:
            await bench.aclose()
        assert fake.refused == [], "the vendor would have refused it"
    assert len(taken) == len(HOSTILE)
    return taken


async def test_slack() -> None:
    """Nobody is mentioned, nothing is a link, in no block and in no fallback text."""
    for label, post in await _sent("slack"):
        fields = [post["text"], *(_texts_of_blocks(post["blocks"]))]
        for field in fields:
            assert not re.search(r"<[!@#h]", field), label
            refuse_controls(field)
        assert post["link_names"] in (False, None), label


def _texts_of_blocks(blocks: list[dict[str, Any]]) -> list[str]:
    texts = [block["text"] for block in blocks if "text" in block]
    return [text["text"] for text in texts if text["type"] == "mrkdwn"]


async def test_sendgrid() -> None:
    """One recipient, a subject of one line, no header that a text brought."""
    for label, mail in await _sent("email"):
        (person,) = mail["personalizations"]
        assert [one["email"] for one in person["to"]] == ["alice@example.com"], label
        assert not {"cc", "bcc"} & set(person), label
        refuse_controls(mail.get("subject") or person.get("subject") or "", lines=False)
        headers = {**mail.get("headers", {}), **person.get("headers", {})}
        for name, value in headers.items():
            assert "canary" not in name.lower(), label
            refuse_controls(value, lines=False)


@pytest.mark.parametrize(
    "to",
    [
        "alice@example.com, victim@example.com",
        "alice@example.com\r\nBcc: victim@example.com",
        "=?utf-8?q?alice=2c_victim=40example.com?=@example.com",
        "=?utf-8?q?a=0d=0aBcc:_victim=40example.com?=@example.com",
        '"alice@example.com"@victim.example@example.com',
        "Alice <victim@example.com>",
        "alice@example.com\u2028",
        "\u202ealice@example.com",
    ],
)
async def test_an_address_that_is_more_than_one(to: str) -> None:
    """Whoever subscribes chooses an address: one that would reach somebody else as well is refused."""
    async with smtp_fake() as server:
        channel = EmailChannel(EmailSettings.model_validate({"smtp_url": server.url}))
        with pytest.raises(DeliveryError):
            await channel.send(an_outgoing(to=to))
        assert server.recipients == []


async def test_a_mail_by_smtp() -> None:
    """As a mail program reads it: one recipient, the headers that we wrote, the parts that we wrote."""
    async with smtp_fake() as server:
        channel = EmailChannel(EmailSettings.model_validate({"smtp_url": server.url}))
        for label, text in HOSTILE.items():
            done = said(text, Purpose.EXTERNAL_UPDATE)
            message: Outgoing = an_outgoing(
                key=f"k/{label}", subject=done.subject, text=done.text, html=done.html
            )
            await channel.send(message)
        usual = an_outgoing(subject="usual", text="usual", html="<p>usual</p>")
        await channel.send(usual)
        names = {name.lower() for name in server.taken[-1].keys()}  # noqa: SIM118 - headers repeat
        assert len(server.taken) == len(HOSTILE) + 1
        assert set(server.recipients) == {"alice@example.com"}
        for mail in server.taken:
            assert {name.lower() for name in mail.keys()} == names  # noqa: SIM118
            assert len(mail.items()) == len(names), "no header stands twice"
            assert [address for _, address in getaddresses([mail["To"]])] == ["alice@example.com"]
            refuse_controls(mail["Subject"], lines=False)
            kinds = [part.get_content_type() for part in mail.walk() if not part.is_multipart()]
            assert kinds == ["text/plain", "text/html"]


async def test_ntfy() -> None:
    """A title of one line on the phone, and a text that moves nothing."""
    for _, push in await _sent("ntfy"):
        refuse_controls(push["title"], lines=False)
        refuse_controls(push["message"])
        assert push.get("markdown") is not True


async def test_apprise() -> None:
    """A title of one line for whatever service is behind it, and no mention for the whole room."""
    for _, note in await _sent("apprise"):
        refuse_controls(note["title"], lines=False)
        refuse_controls(note["message"])
        assert not re.search(
            r"@(?:everyone|here|channel|all)\b|<!", f"{note['title']} {note['message']}"
        )


@EACH
@pytest.mark.parametrize("network", ["mastodon", "bluesky", "x"])
def test_a_post(text: str, network: str) -> None:
    """Nobody is called by a post; one that does not fit is refused and never cut."""
    done = said(text, Purpose.EXTERNAL_UPDATE)
    message = an_outgoing(
        purpose=Purpose.EXTERNAL_UPDATE, channel=network, text=done.short or done.chat or done.text,
        update=an_update(title=done.subject, text=text),
    )  # fmt: skip
    try:
        post = post_of(message, network)
    except DeliveryError:
        assert len(text) > 150, "a short text always fits"
        return
    refuse_controls(post.text)
    assert not re.search(r"(?<![\w/=.\u200b])[@\uff20](?=\w)", post.text), "somebody is called"


@EACH
def test_the_terminal(text: str) -> None:
    """In every form that the command line prints: for people, as JSON, as YAML, as a preview."""
    # A half character is written out by the stream itself (`starter/cli/app.py`).
    text = text.encode("utf-8", "backslashreplace").decode()
    refuse_controls(clean(text))
    refuse_controls(one_line(text), lines=False)
    data = {"text": text}
    refuse_controls(as_json(data))
    refuse_controls(as_yaml({"text": plain(text)}))
    preview = {
        "audience": "external", "variant": "initial", "status": None, "refused": [text],
        "hearers": [{"name": text, "places": [text], "contacts": {text: 1}, "needs_approval": True}],
        "forms": [{"template": text, "subject": text, "text": text, "fault": text}],
        "checklist": [{"question": text, "answer": text, "found_in_text": False}],
    }  # fmt: skip
    for line in previews.lines(preview):
        refuse_controls(line)
        assert "\n" not in line


@pytest.mark.parametrize("folder", ["external_update", "update_text", "status_page"])
def test_no_template_for_the_outside_names_what_is_internal(folder: str) -> None:
    """What an alert or a colleague wrote is asked for nowhere: product and stage are all there is."""
    for file in sorted((BUILT_IN / folder).rglob("*.j2")):
        if folder == "update_text" and not file.name.startswith("external_"):
            continue
        source = file.read_text()
        for word in ("summary", "description", "alert", "label", "reporter", "theor", "assessment"):
            found = re.findall(rf"\b\w*\.?{word}\w*", re.sub(r"<[^>]*>|{{#.*?#}}", "", source))
            assert not [one for one in found if one.startswith("incident.")], (file.name, word)
        if folder != "status_page":
            assert set(re.findall(r"incident\.(\w+)", source)) <= {"service_name", "status"}


def test_nothing_internal_reaches_the_outside() -> None:
    """An incident full of secrets: none of them is in any form of what the outside gets."""
    done = said("Cards fail.", Purpose.EXTERNAL_UPDATE, **SECRETS)
    assert "SECRET" not in done.model_dump_json()
    inside = said("Cards fail.", Purpose.INTERNAL_UPDATE, **SECRETS)
    assert "SECRET-summary" in inside.model_dump_json(), "and this is how it would be seen"

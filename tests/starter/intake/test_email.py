"""Mail as SendGrid posts it: service by address, state and severity by subject, text out of HTML."""

from __future__ import annotations

import json
import time
from email.message import EmailMessage

import pytest

from domain.errors import IntakeError
from starter.intake.email import FORMAT
from starter.intake.html_text import text_of_html
from starter.intake.received import Received
from tests.starter.intake.examples import example, multipart, sender

TO = "alerts+checkout@parse.example.com"


def read(files=None, who=None, **fields):
    fields = {"from": "m@example.com", "to": TO, "subject": "Disk full", "text": "x"} | fields
    (alert,) = FORMAT.parse(multipart(fields, files), who or sender())
    return alert


def test_a_mail():
    """The tag of the address is the service, the word in the subject the severity."""
    (alert,) = FORMAT.parse(example("email", "problem"), sender())
    assert (alert.service, alert.severity, alert.status) == ("checkout", "SEV1", "firing")
    assert alert.summary == "[CRITICAL] Disk full on db-1"
    assert alert.description == "db-1: /var is at 98%\n\nSent by the monitor"


def test_the_mail_that_clears_it():
    """The same subject with a state in front of it is the same thing."""
    (fires,) = FORMAT.parse(example("email", "problem"), sender())
    (over,) = FORMAT.parse(example("email", "recovery"), sender())
    assert (over.status, over.key) == ("resolved", fires.key)


@pytest.mark.parametrize(
    "subject",
    [
        "[RESOLVED] Disk full", "Recovery: Disk full", "RESOLVED: Disk full", "Re: [OK] Disk full",
        "(recovered) Disk full", "[Resolved:1] Disk full", "OK - Disk full", "CLEARED: Disk full",
    ],
)  # fmt: skip
def test_subjects_that_clear(subject):
    """However a monitor writes that it is over."""
    alert = read(subject=subject)
    assert (alert.status, alert.key) == ("resolved", read().key)


@pytest.mark.parametrize(
    "subject",
    [
        "Disk full", "PROBLEM: Disk full", "Re: Disk full", "[FIRING:1] Disk full", "Fwd: Disk full",
        "DOWN - Disk full",
    ],
)  # fmt: skip
def test_subjects_that_fire(subject):
    """The same thing, whichever way its state or the answer is written."""
    alert = read(subject=subject)
    assert (alert.status, alert.key) == ("firing", read().key)


@pytest.mark.parametrize(
    ("fires", "over"),
    [
        ("[CRITICAL] Disk full", "[RESOLVED] Disk full"),
        ("WARNING: Disk full", "OK: Disk full"),
        ("[FIRING] [High] Disk full", "[RESOLVED] [Low] Disk full"),
        (
            "** PROBLEM Service Alert: web1/Disk is CRITICAL **",
            "** RECOVERY Service Alert: web1/Disk is OK **",
        ),
        ("** PROBLEM Host Alert: web1 is DOWN **", "** RECOVERY Host Alert: web1 is UP **"),
        ("[PROBLEM] Disk on web1 is CRITICAL!", "[RECOVERY] Disk on web1 is OK!"),
        ("Problem: High CPU on web1", "Resolved in 1h 5m 2s: High CPU on web1"),
        ("Monitor is DOWN: shop", "Monitor is UP: shop"),
    ],
)
def test_the_same_thing_though_the_severity_is_gone(fires, over):
    """What fired as `[CRITICAL] …` is cleared by `[RESOLVED] …`, as the well-known monitors write it."""
    first, last = read(subject=fires), read(subject=over)
    assert (first.status, last.status) == ("firing", "resolved")
    assert first.key == last.key
    assert first.key != read(subject="[CRITICAL] Something else").key


@pytest.mark.parametrize(
    "subject",
    [
        "Okay-ish latency", "Backup is up to date", "Order closed late",
        "Recovery of the backup failed", "Resolved in part: orders", "Monitor is up",
    ],
)  # fmt: skip
def test_words_inside_of_a_subject_clear_nothing(subject):
    """Only a state at the front or in brackets is one."""
    assert read(subject=subject).status == "firing"


@pytest.mark.parametrize(
    ("subject", "severity"),
    [
        ("CRITICAL: x", "SEV1"), ("[warning] x", "SEV3"), ("x is at high load", "SEV2"), ("x", None),
        ("Notstand bei x", "SEV1"),
    ],
)  # fmt: skip
def test_severity_in_the_subject(subject, severity):
    """The usual words, and those of the integration's map before them."""
    map_ = {"severity": {"label": "severity", "values": {"notstand": "SEV1"}}}
    assert read(subject=subject, who=sender(format="email", map=map_)).severity == severity


def test_the_address_that_it_went_to():
    """The envelope counts, since `To` may name a list."""
    envelope = json.dumps({"to": [TO], "from": "m@example.com"})
    assert read(to="list@example.com", envelope=envelope).service == "checkout"
    assert read(to=f'"Alerts, all" <{TO}>').service == "checkout"
    for broken in ("", "{", "[]", '{"to": []}', '{"to": [7]}', "[" * 5000):
        assert read(envelope=broken).service == "checkout"


def test_threads():
    """Without a subject the thread is the key, and a policy may make it so always."""
    first = {"headers": "Message-ID: <a@x>\n"}
    later = {"headers": "References: <a@x>\n <b@x>\nMessage-ID: <c@x>\n"}
    assert read(subject="", **first).key == read(subject="Re:", **later).key == "thread/<a@x>"
    who = sender(format="email", map={"key": ["thread"]})
    assert read(who=who, subject="A", **first).key == read(who=who, subject="B", **later).key


def test_html_only():
    """A reader's text, without scripts and styles."""
    (alert,) = FORMAT.parse(example("email", "html"), sender())
    assert alert.description.splitlines()[:3] == [
        "Certificate", "", "shop.example.com expires in 3 days.",
    ]  # fmt: skip
    assert "alert(1)" not in alert.description
    assert alert.description.endswith("1 attachment left out: file-0.pem")


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>a<br>b</p>", "a\nb"), ("a &amp; b &lt;c&gt;", "a & b <c>"), ("<td>a</td><td>b</td>", "a b"),
        ("<style>x</style>a<script>y</script>", "a"), ("<p>unclosed <b>bold", "unclosed bold"),
        ("<!-- a -->b", "b"), ("", ""), ("<div><div><div>a</div></div></div>", "a"),
    ],
)  # fmt: skip
def test_text_of_html(html, text):
    """Blocks are lines; what a reader would not see is left out."""
    assert text_of_html(html) == text


def test_attachments_are_named_and_not_kept():
    """What a file holds is passed over."""
    alert = read(files={"a.txt": b"secret", "b.png": b"\x89PNG"})
    assert alert.description == "x\n\n2 attachments left out: a.txt, b.png"


def test_nothing_can_be_put_into_a_header():
    """A subject of several lines becomes one."""
    alert = read(subject="Disk full\r\nBcc: everybody@example.com")
    assert alert.summary == "Disk full Bcc: everybody@example.com"


def test_charsets():
    """A part says how it is written; a charset that nobody knows is read as UTF-8."""
    body = (
        b'--b\r\nContent-Disposition: form-data; name="subject"\r\n'
        b"Content-Type: text/plain; charset=iso-8859-1"
        b'\r\n\r\nCaf\xe9\r\n--b\r\nContent-Disposition: form-data; name="text"\r\n'
        b"Content-Type: text/plain; charset=nonsense\r\n\r\nx\xff\r\n--b--\r\n"
    )
    received = Received(body, {"content-type": "multipart/form-data; boundary=b"})
    (alert,) = FORMAT.parse(received, sender())
    assert (alert.summary, alert.description) == ("Café", "x\ufffd")


def test_a_mail_that_was_sent_whole():
    """SendGrid may be told to send the mail unparsed."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "m@example.com", TO, "[CRITICAL] Größe"
    mail["References"] = "<a@x>"
    mail.set_content("plain")
    mail.add_alternative("<p>rich</p>", subtype="html")
    mail.add_attachment(b"x", maintype="application", subtype="pdf", filename="a.pdf")
    fields = {"email": mail.as_string(), "envelope": json.dumps({"to": [TO]})}
    (alert,) = FORMAT.parse(multipart(fields), sender())
    assert (alert.service, alert.summary, alert.description) == (
        "checkout", "[CRITICAL] Größe", "plain",
    )  # fmt: skip


@pytest.mark.parametrize(
    "piece",
    [
        "<!--",
        "<a ",
        "<![CDATA[",
        "</",
        "<",
        "&",
        "<!",
        "<script>",
        "<a b='",
        "</a",
        "<style></style ",
    ],
)
def test_hostile_html_is_read_at_once(piece):
    """Parsers that go back take minutes for it, and every other sender would wait."""
    started = time.monotonic()
    text_of_html(piece * (200_000 // len(piece)))
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("depth", [59, 61, 5000])
def test_a_mail_folded_up_in_itself(depth):
    """However deep, it is an alert."""
    folds = (f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(depth))
    assert read(subject="", text="", email="".join(folds) + "\nx").service == "checkout"


@pytest.mark.parametrize(
    "address", ["(" * 9_000, "<" * 9_000, "a@" * 5_000, "[(" * 5_000, "\x00", "@"]
)
def test_addresses_that_are_none(address):
    """The mail is an alert on `unknown`."""
    assert read(to=address).service == "unknown"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{}", "application/json"), (b"x", "multipart/form-data"), (b"x", ""),
        (b"x", "multipart/form-data; boundary=b"),
        (b"--b\r\n" + b"a: b\r\n" * 100 + b"\r\nx\r\n--b--", "multipart/form-data; boundary=b"),
    ],
)  # fmt: skip
def test_no_form(body, kind):
    """The sender is told; the operator sees that it was refused."""
    with pytest.raises(IntakeError):
        FORMAT.parse(Received(body, {"content-type": kind}), sender())


def test_a_form_that_is_no_mail():
    """It came with the key, so it is shown."""
    (alert,) = FORMAT.parse(multipart({"a": "b"}), sender())
    assert alert.service == "unknown"
    (alert,) = FORMAT.parse(
        Received(b"--b--\r\n", {"content-type": "multipart/form-data; boundary=b"}), sender()
    )
    assert alert.service == "unknown"


def test_a_plain_form():
    """Other services post a mail's parts as a plain form."""
    body = b"subject=Disk+full&text=x&to=alerts%2Bcheckout%40p.example.com"
    received = Received(body, {"content-type": "application/x-www-form-urlencoded"})
    (alert,) = FORMAT.parse(received, sender())
    assert (alert.service, alert.summary) == ("checkout", "Disk full")

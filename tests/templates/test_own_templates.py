"""An organisation's own templates: looked up first, read anew, filled in by a process that can be killed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from unittest import mock

import pytest

from activities.wording import announcement_text, page_text, update_text
from domain.messages import Announcement, Purpose
from templates.renderer import PAGE_SECONDS, SECONDS, Renderer, TemplateFaultError, examples

ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
UPDATE = examples("external_update")[0]
ANNOUNCEMENT = Announcement(
    key="checkout-17/update/external/1",
    purpose=Purpose.EXTERNAL_UPDATE,
    template="external_update",
    recipients=[],
    context={
        "text": "Cards fail.",
        "status": None,
        "variant": "initial",
        "by": "alice",
        "next_update_at": None,
    },
)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with room for every message."""
    for folder in ("page", "external_update", "update_text", "_shared"):
        (tmp_path / folder).mkdir()
    return tmp_path


@pytest.fixture
def renderer(own: Path) -> Iterator[Renderer]:
    made = Renderer(own_folder=own)
    made.render_line("{{ id[:1] }}", {"id": "warm"})
    yield made
    made.close()


@contextmanager
def hurried() -> Iterator[None]:
    """The limits as they are: every other test of these is patient."""
    limits = {"SECONDS": SECONDS, "PAGE_SECONDS": PAGE_SECONDS}
    with mock.patch.multiple("templates.renderer", **limits):
        yield


def write(own: Path, name: str, source: str) -> None:
    """A file whose time differs from that of the one before, as an editor's would."""
    file = own / name
    file.write_text(source)
    stamp = time.time_ns() + len(source)
    os.utime(file, ns=(stamp, stamp))


def test_single_files_are_replaced(own: Path, renderer: Renderer) -> None:
    """What the folder does not hold is ours; what it holds comes first."""
    write(own, "page/subject.j2", "Ring ring: {{ incident.id }}")
    done = renderer.render("page", examples("page")[0])
    assert done.subject == "Ring ring: checkout-17"
    assert "Service: Checkout" in done.text
    assert done.html is not None
    assert renderer.render("role", examples("role")[0]) == Renderer().render(
        "role", examples("role")[0]
    )


def test_a_changed_file_is_used_for_the_next_message(own: Path, renderer: Renderer) -> None:
    """Nobody restarts anything to correct a text."""
    for words in ("First", "Second"):
        write(own, "external_update/subject.j2", f"{words}: {{{{ incident.service_name }}}}")
        assert renderer.render("external_update", UPDATE).subject == f"{words}: Checkout"


def test_what_all_messages_share_is_replaced_too(own: Path, renderer: Renderer) -> None:
    """A house's own frame for mail stands around every message."""
    write(own, "_shared/mail.html.j2", "<!doctype html><b>House</b>{% block body %}{% endblock %}")
    assert (renderer.render("external_update", UPDATE).html or "").startswith(
        "<!doctype html><b>House"
    )


def test_pages_of_the_console_are_not_replaced(own: Path, renderer: Renderer) -> None:
    """A folder named like one of our pages changes nothing: only messages are an organisation's own."""
    (own / "status_page").mkdir()
    write(own, "status_page/index.html.j2", "mine")
    with pytest.raises(TemplateFaultError, match="status_page/index"):
        renderer.render_file("status_page/index.html.j2", {})


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{{ nothing }}", "'nothing' is undefined"),
        ("a\n{{ incident.nothing }}", r"has no attribute 'nothing' \(line 2\)"),
        ("{% for %}", "TemplateSyntaxError"),
        ("{{ ''.__class__.__mro__ }}", "SecurityError"),
        ("{% include '../../../etc/passwd' %}", "TemplateNotFound"),
        ("{% include 'status_page/base.html.j2' %}", "template external_update/body.txt.j2"),
        ("{{ 'x' * 10 ** 9 }}", "takes more memory than it may"),
        ("{{ [0] * 10 ** 10 }}", "takes more memory than it may"),
        ("{{ 'xy' * 150000 }}", "at most 200000"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "RecursionError"),
        (ENDLESS, "not done within 2 s"),
    ],
)
def test_a_broken_or_greedy_template_is_a_fault(
    own: Path, renderer: Renderer, source: str, why: str
) -> None:
    """It is told why, and the next message of another template is not harmed."""
    write(own, "external_update/body.txt.j2", source)
    with (
        hurried() if source == ENDLESS else nullcontext(),
        pytest.raises(TemplateFaultError, match=why),
    ):
        renderer.render("external_update", UPDATE)
    write(own, "external_update/body.txt.j2", "Healed: {{ text }}")
    assert renderer.render("external_update", UPDATE).text.startswith("Healed: We know")


def test_what_takes_too_long_is_waited_for_once(own: Path, renderer: Renderer) -> None:
    """The second message does not wait: such a template is not tried again until it changes."""
    write(own, "page/subject.j2", ENDLESS)
    asked, started = renderer._child._ask, time.monotonic()
    with hurried(), mock.patch.object(renderer._child, "_ask", side_effect=asked) as asking:
        for why in ("is not done within 0.5 s$", "within 0.5 s; not tried again until it changes$"):
            with pytest.raises(TemplateFaultError, match=why):
                renderer.render("page", examples("page")[0])
    assert asking.call_count == 1
    assert time.monotonic() - started < 8, "after ten seconds it ends by itself"


def test_a_process_that_dies_is_replaced(own: Path, renderer: Renderer) -> None:
    """Whoever kills it by mistake costs no message more than its own words."""
    write(own, "external_update/subject.j2", "Mine")
    process = renderer._child._process
    assert process is not None
    process._popen.kill()
    process._popen.wait()
    assert renderer.render("external_update", UPDATE).subject == "Mine"


def test_it_knows_no_secret(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment is empty, whatever ours holds, and it has no more memory than it may."""
    monkeypatch.setenv("SENDGRID_API_KEY", "SG.secret")
    renderer = Renderer(own_folder=own)
    write(own, "external_update/subject.j2", "Mine")
    renderer.render("external_update", UPDATE)
    process = renderer._child._process
    assert process is not None
    proc = Path(f"/proc/{process._popen.pid}")
    if proc.exists():
        assert b"secret" not in (proc / "environ").read_bytes()
        assert f"{256 * 1024 * 1024}" in (proc / "limits").read_text()
        assert (proc / "cwd").readlink() == Path("/")
    renderer.close()
    assert process._popen.returncode is not None


def test_a_message_whose_template_fails_goes_out(own: Path, renderer: Renderer) -> None:
    """With the built-in text, in every form, and with the fault told; a page as well."""
    write(own, "external_update/chat.txt.j2", "{{ nothing }}")
    said, faults = announcement_text(renderer, UPDATE["incident"], "Example", ANNOUNCEMENT)
    assert said.subject == "Investigating issues with Checkout"
    assert said.chat == "Cards fail.\n"
    assert len(faults) == 1
    assert "'nothing' is undefined" in faults[0]
    write(own, "page/body.html.j2", "{{ nothing }}")
    page, faults = page_text(renderer, UPDATE["incident"], "Example", None, "", late=False)
    assert "Service: Checkout" in page.text
    assert "built-in text" in faults[0]
    write(own, "update_text/external_initial.txt.j2", "{% if %}")
    text, faults = update_text(renderer, UPDATE["incident"], "Example", "external_initial", None)
    assert text.startswith("Investigating issues with Checkout")
    assert len(faults) == 1


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    """A volume that is not mounted changes the words of messages, loudly, and stops none."""
    renderer = Renderer(own_folder=tmp_path / "gone")
    said, faults = announcement_text(renderer, UPDATE["incident"], "Example", ANNOUNCEMENT)
    assert said.subject == "Investigating issues with Checkout"
    assert "is not there" in faults[0]


def test_an_audience_has_a_frame_of_its_own(own: Path, renderer: Renderer) -> None:
    """A folder that the policy names; while it is not there, the usual frame stands in."""
    custom = ANNOUNCEMENT.model_copy(update={"template": "executives"})
    said, faults = announcement_text(renderer, UPDATE["incident"], "Example", custom)
    assert said.subject == "Investigating issues with Checkout"
    assert faults
    (own / "executives").mkdir()
    write(own, "executives/subject.j2", "For the board: {{ incident.service_name }}")
    write(own, "executives/body.txt.j2", "{{ text }}")
    said, faults = announcement_text(renderer, UPDATE["incident"], "Example", custom)
    assert (said.subject, said.text, faults) == ("For the board: Checkout", "Cards fail.\n", [])


@pytest.mark.parametrize("name", ["summary", "description", "reporter", "url"])
def test_an_own_template_cannot_tell_the_outside_what_is_internal(
    own: Path, renderer: Renderer, name: str
) -> None:
    """What an alert or a colleague wrote is not there for it: it is a fault, and our text goes out."""
    write(own, "external_update/body.txt.j2", f"{{{{ incident.{name} }}}}")
    said, faults = announcement_text(renderer, UPDATE["incident"], "Example", ANNOUNCEMENT)
    assert str(UPDATE["incident"][name]) not in said.model_dump_json()
    assert f"has no attribute '{name}'" in faults[0]


def test_a_line_of_the_policy_may_take_too_long_as_well(renderer: Renderer) -> None:
    """The name of a room is a template of people too: only a plain one is filled in at once."""
    assert (
        renderer.render_line("{{ id }}-{{ service | line }}", {"id": "c-1", "service": "c"})
        == "c-1-c"
    )
    assert renderer.render_line("{{ id[:1] ~ 'x' }}", {"id": "c-1"}) == "cx"
    with hurried(), pytest.raises(TemplateFaultError, match="not done within 2 s"):
        renderer.render_line(ENDLESS, {})

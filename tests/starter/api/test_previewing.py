"""A preview says exactly what publishing would send, to whom, and why not; and nothing leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.previewing import Hearer
from starter.api.app import create_app
from starter.api.previewing import _form, _lengths
from starter.settings import load_settings
from templates.renderer import Renderer, examples
from tests.starter.conftest import KEY, ROOT, TOKEN

WHERE = "/api/v1/incidents/checkout-1/preview-update"
SAID = {"audience": "external", "text": "Cards **fail**.\n\n- for some", "next_update_minutes": 30}


def test_every_form_and_who_hears_it(api, declared, temporal):
    """Subject, text, HTML, chat and short form; each audience with its places; the checklist."""
    before = len(temporal.updates)
    answer = api.post(WHERE, json=SAID)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["variant"], found["status"], found["refused"]) == (
        "initial",
        "investigating",
        [],
    )
    (form,) = found["forms"]
    assert form["template"] == "external_update"
    assert form["fault"] is None
    assert form["subject"] == "Investigating issues with Checkout"
    assert form["text"].startswith(
        "Investigating issues with Checkout\n\nCards fail.\n\n- for some"
    )
    assert "<strong>fail</strong>" in form["html"]
    assert form["chat"].startswith("Cards fail.")
    assert form["short"].startswith("Investigating issues with Checkout: Cards fail.")
    assert "Next update: 2" in form["short"]
    names = {one["name"]: one["places"] for one in found["hearers"]}
    assert names == {"customers": ["status_page"], "subscribers": ["subscribers"]}
    assert found["checklist"][0]["question"] == "What happens?"
    assert found["checklist"][1]["found_in_text"]
    assert "Cards are refused" not in str(found), "the summary is internal"
    assert len(temporal.updates) == before, "nothing was published"
    assert api.get("/api/v1/incidents/checkout-1").json()["updates"] == []


def test_inside_with_the_number_of_stakeholders(api, declared):
    """Contacts are counted by channel, and no address is told."""
    found = api.post(WHERE, json={"audience": "internal", "text": "We restart it."}).json()
    groups = [one for one in found["hearers"] if one["name"].startswith("stakeholders ")]
    assert groups
    assert all(one["contacts"] for one in groups)
    assert "@" not in str(groups)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"audience": "everybody", "text": "x"},
        {"audience": "external", "text": ""},
        {"audience": "external", "text": "x", "next_update_minutes": 0},
        {"audience": "external", "text": "x", "actor": "nobody"},
    ],
)
def test_what_could_not_be_published_cannot_be_previewed(api, declared, body):
    """422, as publishing it would be."""
    assert api.post(WHERE, json=body).status_code == 422


def test_an_incident_that_never_was(api):
    """404."""
    assert api.post(WHERE.replace("-1/", "-99/"), json=SAID).status_code == 404


def test_why_it_would_be_refused(api, declared):
    """An incident that is over takes no update: the preview says so, and shows it all the same."""
    api.post("/api/v1/incidents/checkout-1/cancel", json={"reason": "a test"})
    found = api.post(WHERE, json=SAID).json()
    assert found["refused"] == ["the incident is cancelled: it takes no updates any more"]
    assert found["forms"][0]["subject"]


def test_a_broken_template_of_ones_own_is_told(gateway, tmp_path: Path, declared):
    """With what would be sent instead."""
    from fastapi.testclient import TestClient

    (tmp_path / "own" / "external_update").mkdir(parents=True)
    (tmp_path / "own" / "external_update" / "subject.j2").write_text("{{ nothing }}")
    settings = load_settings(
        {
            "TOCSIN_DATA_DIR": str(tmp_path),
            "TOCSIN_API_TOKEN": TOKEN,
            "TOCSIN_POLICY": str(ROOT / "policy" / "example.yaml"),
            "TOCSIN_TEMPLATES": str(tmp_path / "own"),
        }
    )
    app = create_app(settings, gateway, {"AM_KEY": KEY})
    with TestClient(app, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        (form,) = client.post(WHERE, json=SAID).json()["forms"]
        reloaded = client.post("/api/v1/policy/reload", json={})
    app.state.services.renderer.close()
    assert form["subject"] == "Investigating issues with Checkout"
    assert "'nothing' is undefined" in form["fault"]
    assert reloaded.status_code == 200, "whoever mends the policy is not stopped by a template"
    (warning,) = reloaded.json()["warnings"]
    assert "'nothing' is not given to this template" in warning["detail"]
    assert warning["warning"]


def test_what_the_command_takes_is_not_said_to_be_too_long():
    """The sentence about the next update gives way on a network: only the text itself is measured."""
    press = Hearer(name="press", contacts={"x": 1})
    (length,) = _lengths("x" * 250, ["x"], [press])
    assert (length["length"], length["fits"]) == (274, True)


def test_a_broken_frame_of_an_audience_shows_what_is_sent_instead(tmp_path: Path):
    """The usual frame, as the message itself would have, with the fault beside it."""
    folder = tmp_path / "board"
    folder.mkdir()
    (folder / "subject.j2").write_text("{{ nothing }}")
    (folder / "body.txt.j2").write_text("{{ text }}")
    renderer = Renderer(own_folder=tmp_path)
    context = examples("external_update")[0]
    shown = _form(renderer, "board", "external_update", context)
    renderer.close()
    assert "'nothing' is undefined" in shown["fault"]
    assert shown["subject"] == Renderer().render("external_update", context).subject

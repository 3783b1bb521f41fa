"""How an incident begins: from a declaration, or from alerts."""

from __future__ import annotations

from typing import Any

import pytest

from domain import facts as f
from domain.declaring import parse_declaration
from domain.errors import CommandError, UnknownNameError
from domain.raising import Origin, raise_incident, type_of
from tests.factories import T0, a_declaration, a_policy, a_policy_slice, an_alert, minutes


def raised(origin: Origin, **policy: Any) -> tuple[Any, list[Any]]:
    incident, facts = raise_incident("checkout-1", origin, a_policy_slice(**policy), "u", T0)
    return incident, facts


def test_a_declaration_is_taken_as_it_was_said() -> None:
    """Every field that a person gave stands in the incident; one fact."""
    incident, facts = raised(
        a_declaration(
            severity="SEV2",
            description="d",
            priority="P4",
            type="security",
            reporter="hotline",
            detected_by="customer",
        )
    )
    assert (incident.summary, incident.description, incident.severity) == (
        "Checkout is down",
        "d",
        "SEV2",
    )
    assert (incident.priority, incident.has_own_priority, incident.type) == ("P4", True, "security")
    assert (incident.reporter, incident.detected_by) == ("hotline", "customer")
    assert [x.name for x in facts] == ["raised"]


def test_what_a_declaration_leaves_out_has_a_value() -> None:
    """Staff found it, the default process, the priority of the severity, the actor reports."""
    incident, _ = raised(a_declaration())
    assert (incident.type, incident.detected_by, incident.reporter) == ("default", "staff", "dana")
    assert (incident.priority, incident.has_own_priority) == ("P1", False)
    assert (incident.raised_at, incident.detected_at, incident.impact_started_at) == (T0, T0, None)


@pytest.mark.parametrize(
    ("severities", "expected"),
    [
        (["SEV3"], "SEV3"),
        (["SEV3", "SEV1", "SEV2"], "SEV1"),
        ([None], "SEV2"),
        (["SEV3", None], "SEV2"),
        (["odd"], "SEV2"),
    ],
)
def test_the_worst_alert_of_a_report_counts(severities: list[str | None], expected: str) -> None:
    """Alerts that come together are one incident, as bad as the worst of them."""
    alerts = [an_alert(key=str(i), severity=s) for i, s in enumerate(severities)]
    incident, facts = raised(Origin(alerts=alerts))
    assert incident.severity == expected
    assert [x.name for x in facts] == ["raised", *["alert_folded"] * len(alerts)]


def test_an_incident_from_alerts_knows_where_it_comes_from() -> None:
    """The first alert gives the words; the earliest times count; technology found it."""
    alerts = [
        an_alert(at=T0 - minutes(1), starts_at=T0 - minutes(5)),
        an_alert(key="disk", at=T0 - minutes(2), starts_at=T0 - minutes(9), summary="Disk"),
    ]
    incident, _ = raised(Origin(alerts=alerts))
    assert (incident.summary, incident.detected_by) == ("Checkout fails", "technology")
    assert incident.reporter == "alert:prometheus"
    assert incident.detected_at == T0 - minutes(2)
    assert incident.impact_started_at == T0 - minutes(9)


def test_what_fires_again_is_linked_to_the_incident_before() -> None:
    """Related, on the timeline, and not attached."""
    _, facts = raised(Origin(alerts=[an_alert()], related="checkout-0"))
    assert facts[-1] == f.Linked(target="checkout-0", kind="related")


@pytest.mark.parametrize(
    ("tier", "severity", "priority"),
    [(1, "SEV1", "P1"), (1, "SEV3", "P3"), (2, "SEV1", "P2"), (3, "SEV3", "P5"), (5, "SEV3", "P5")],
)
def test_the_priority_follows_severity_and_tier(tier: int, severity: str, priority: str) -> None:
    """P1 for SEV1 of tier 1, one lower per severity and per tier, never below P5."""
    incident, _ = raised(a_declaration(severity=severity), tier=tier)
    assert incident.priority == priority


# What an integration has mapped.


@pytest.mark.parametrize(
    ("alerts", "expected"),
    [
        ([("SEV1", "P4")], "P4"),
        ([("SEV3", "P1")], "P1"),
        ([("SEV1", "P4"), ("SEV3", None)], "P3"),
        ([("SEV3", "P5"), ("SEV1", None)], "P1"),
        ([("SEV2", "none")], "P2"),
    ],
)
def test_a_mapped_priority_counts(alerts: list[tuple[str, str | None]], expected: str) -> None:
    """The most urgent of all alerts, those without one by their severity. It is no person's choice."""
    given = [
        an_alert(key=str(i), severity=severity, priority=priority)
        for i, (severity, priority) in enumerate(alerts)
    ]
    incident, _ = raised(Origin(alerts=given))
    assert (incident.priority, incident.has_own_priority) == (expected, False)


def test_getting_worse_never_lowers_a_mapped_priority() -> None:
    """An urgent one stays urgent; a relaxed one becomes what the new severity means."""
    for mapped, after in (("P1", "P1"), ("P5", "P2")):
        incident, _ = raised(Origin(alerts=[an_alert(severity="SEV3", priority=mapped)]))
        incident.record(f.SeverityChanged(old="SEV3", new="SEV2", reason="x"), T0, "tocsin", None)
        assert incident.priority == after


def test_a_mapped_type_is_the_incidents() -> None:
    """Of the first alert that has one; a process that the policy no longer has is the default one."""
    alerts = [an_alert(), an_alert(key="b", type="security"), an_alert(key="c", type="odd")]
    assert type_of(alerts) == "security"
    assert raised(Origin(alerts=alerts))[0].type == "security"
    assert raised(Origin(alerts=[an_alert(type="gone")]))[0].type == "default"


def test_addresses_of_an_alert_stand_on_the_timeline() -> None:
    """Its runbooks and what the policy names as links, each once; without any nothing is said."""
    address = "https://r.example"
    _, facts = raised(Origin(alerts=[an_alert(runbooks=[address], links=[address, "https://d.x"])]))
    assert facts[1].data()["links"] == [address, "https://d.x"]
    assert "links" not in raised(Origin(alerts=[an_alert()]))[1][1].data()


# A declaration as it arrives.


def test_a_body_is_read_with_actor_and_key() -> None:
    """Who, under which key, and what; the desk's own service may be left out."""
    said = parse_declaration({"summary": "s", "actor": "dana", "key": "k"}, "checkout")
    assert (said.body, said.actor, said.key) == (
        {"service": "checkout", "summary": "s"},
        "dana",
        "k",
    )
    assert parse_declaration({"service": "checkout", "summary": "s"}).actor == "operator"


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ([], {""}),
        ({}, {"/summary"}),
        ({"summary": ""}, {"/summary"}),
        ({"summary": "s", "serverity": "SEV1"}, {"/serverity"}),
        ({"summary": "s", "priority": "P9"}, {"/priority"}),
        ({"summary": "s", "detected_by": "magic"}, {"/detected_by"}),
        ({"summary": "s", "service": "search"}, {"/service"}),
        ({"summary": "s", "actor": 3, "key": 4}, {"/actor", "/key"}),
        ({"summary": 3, "actor": 3}, {"/actor", "/summary"}),
        ({"summary": "s", "key": "k" * 501}, {"/key"}),
        ({"summary": "s", "key": "\ud800", "actor": "nul \x00"}, {"/key", "/actor"}),
    ],
)
def test_every_mistake_of_a_declaration_is_named(body: Any, where: set[str]) -> None:
    """All at once, each with its place."""
    with pytest.raises(CommandError) as caught:
        parse_declaration(body, "checkout")
    assert {p.where for p in caught.value.problems()} == where


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"actor": "nobody"}, "actor"),
        ({"severity": "SEV9"}, "severity"),
        ({"type": "securty"}, "type"),
    ],
)
def test_names_that_the_policy_does_not_have_are_refused(said: dict[str, str], field: str) -> None:
    """An unknown person, severity or type raises no incident: a typo must not make a secret public."""
    declaration = parse_declaration({"service": "checkout", "summary": "s", **said})
    with pytest.raises(UnknownNameError) as caught:
        declaration.check(a_policy_slice(policy=a_policy()))
    assert caught.value.field == field


def test_the_operator_may_declare() -> None:
    """Without an actor nobody has to be in the policy."""
    parse_declaration({"service": "checkout", "summary": "s"}).check(a_policy_slice())

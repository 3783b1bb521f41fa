"""A report of a customer or colleague: when people are told of it, and what was decided."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from domain.reporting import Decision, Report, ReportState, Said

AT = datetime(2026, 11, 24, 14, tzinfo=UTC)


def a_report() -> Report:
    return Report(
        ref="R-7K3M9QX2", said=Said(service="checkout", summary="I cannot pay"), received_at=AT
    )


def test_reminders_come_every_quarter_of_an_hour() -> None:
    """Until somebody looks, counted from when it came and not from the last reminder."""
    report = a_report()
    assert report.reminder_due() == AT + timedelta(minutes=15)
    report.skip_missed(AT + timedelta(minutes=15, seconds=3))
    assert report.reminder_due() == AT + timedelta(minutes=30)


def test_an_outage_brings_one_reminder_and_not_a_burst() -> None:
    """What was missed is counted, not made up for."""
    report = a_report()
    report.skip_missed(AT + timedelta(hours=2, minutes=1))
    assert (report.reminders, report.reminder_due()) == (8, AT + timedelta(hours=2, minutes=15))


def test_it_becomes_loud_at_the_third_reminder() -> None:
    """Everybody of last resort hears of a report that nobody answers."""
    report = a_report()
    for minutes in (15, 30):
        report.skip_missed(AT + timedelta(minutes=minutes))
    assert not report.is_loud
    report.skip_missed(AT + timedelta(minutes=45))
    assert report.is_loud


def test_a_decision_with_an_incident_confirms_and_one_without_dismisses() -> None:
    """Who decided, and when, is kept."""
    confirmed, dismissed = a_report(), a_report()
    confirmed.decide(Decision(actor="alice", incident="checkout-1"), AT)
    dismissed.decide(Decision(actor="bob", reason="planned work"), AT)
    assert (confirmed.state, confirmed.incident) == (ReportState.CONFIRMED, "checkout-1")
    assert (dismissed.state, dismissed.reason) == (ReportState.DISMISSED, "planned work")
    assert (dismissed.decided_by, dismissed.decided_at) == ("bob", AT)


def test_it_is_looked_often_in_the_first_hour_and_then_less() -> None:
    """Whoever reported hears soon that it is over."""
    report = a_report()
    report.decide(Decision(actor="alice", incident="checkout-1"), AT)
    assert report.look_again(AT) == AT + timedelta(minutes=2)
    later = AT + timedelta(hours=1)
    assert report.look_again(later) == later + timedelta(minutes=5)


def test_the_view_holds_no_address() -> None:
    """Only whether one was left."""
    view = a_report().view()
    assert view["has_address"] is False
    assert view["service"] == "checkout"
    assert "email" not in view

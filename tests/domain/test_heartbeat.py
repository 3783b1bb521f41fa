"""When a monitor is late, what it reports then, and what its return clears."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from domain import facts as f
from domain.alert import AlertStatus
from domain.heartbeat import (
    Definition,
    Heartbeat,
    HeartbeatState,
    Report,
    definition_of,
    fires_on_time,
)
from domain.incident import Status
from domain.policy.maintenance import Monitor
from domain.raising import Origin
from tests.domain.story import Story
from tests.factories import DAY, HOUR, T0, a_policy, a_policy_slice, an_alert, cleared, minutes

LATE = minutes(6) + timedelta(seconds=1)


def a_monitor(**fields: Any) -> Monitor:
    return Monitor.model_validate({"every": "5m", "service": "checkout"} | fields)


def beaten(**fields: Any) -> Heartbeat:
    """A monitor that called in at T0."""
    one = Heartbeat(name="backup", monitor=a_monitor(**fields))
    one.beat(T0, T0)
    return one


def late(**fields: Any) -> Heartbeat:
    """A monitor whose deadline went by."""
    one = beaten(**fields)
    one.miss(T0 + LATE)
    return one


def taken(one: Heartbeat) -> Report:
    """The report that waits, delivered."""
    (report,) = one.reports
    one.reports.clear()
    return report


def test_a_monitor_is_asleep_until_it_is_heard() -> None:
    """Never heard from, it has no deadline: a job that is being set up wakes nobody."""
    one = Heartbeat(name="backup", monitor=a_monitor())
    assert (one.state, one.deadline()) == (HeartbeatState.WAITING, None)
    one.miss(T0 + DAY)
    assert one.reports == []
    one.beat(T0, T0)
    assert (one.state, one.deadline()) == (HeartbeatState.ALIVE, T0 + minutes(6))


def test_each_beat_moves_the_deadline_and_an_old_one_does_not() -> None:
    """Beat, every and grace; one that arrives out of order, or from the future, harms nothing."""
    one = beaten()
    one.beat(T0 + minutes(3), T0 + minutes(3))
    one.beat(T0 + minutes(2.99), T0 + minutes(3))
    assert one.deadline() == T0 + minutes(9)
    one.beat(T0 + DAY, T0 + minutes(4))
    assert one.deadline() == T0 + minutes(10)
    assert one.beats == 4


def test_late_is_one_alert_for_each_lateness() -> None:
    """Reported once, with what is expected and since when; the next lateness has another key."""
    one = late()
    assert one.state is HeartbeatState.LATE
    report = taken(one)
    alert = report.alert
    assert (report.service, alert.service, alert.key) == (
        "checkout",
        "checkout",
        "heartbeat/backup",
    )
    assert (alert.status, alert.severity, alert.on_clear) == (AlertStatus.FIRING, None, "resolve")
    assert alert.summary == "No heartbeat from backup, expected every 5m"
    assert "10:00:00 UTC" in alert.description
    assert alert.starts_at == T0 + minutes(5)
    one.miss(T0 + HOUR)
    assert one.reports == []
    assert one.deadline() is None
    one.beat(T0 + HOUR, T0 + HOUR)
    back = taken(one)
    assert (back.alert.status, back.alert.key) == (AlertStatus.RESOLVED, alert.key)
    one.miss(T0 + 2 * HOUR)
    assert len({report.key, back.key, taken(one).key}) == 3


def test_nothing_is_late_before_its_deadline() -> None:
    """A look that comes too early finds nothing."""
    one = beaten()
    one.miss(T0 + minutes(5.9))
    assert one.reports == []


def test_a_beat_kept_back_by_an_outage_is_no_return_when_it_is_old() -> None:
    """Delivered late with its own time: only a beat that is still fresh says that all is well."""
    one = late()
    taken(one)
    one.beat(T0 + minutes(6), T0 + minutes(20))
    assert (one.state, one.reports) == (HeartbeatState.LATE, [])
    one.beat(T0 + minutes(16), T0 + minutes(20))
    assert one.state is HeartbeatState.ALIVE
    assert one.deadline() == T0 + minutes(26)


def test_a_beat_that_was_kept_back_excuses_those_that_were_lost() -> None:
    """Delivered minutes after it was made: whatever came between did not get through either."""
    one = beaten()
    one.beat(T0 + minutes(2), T0 + minutes(20))
    assert one.deadline() == T0 + minutes(26)
    one.beat(T0 + minutes(21), T0 + minutes(21))
    assert one.deadline() == T0 + minutes(27)


def test_a_disabled_monitor_never_fires() -> None:
    """Switched off it has no deadline; its beats are still noted."""
    one = beaten(enabled=False)
    assert (one.state, one.deadline()) == (HeartbeatState.DISABLED, None)
    one.miss(T0 + DAY)
    assert one.reports == []
    assert one.last_beat == T0


def test_switching_a_late_monitor_off_clears_its_alert() -> None:
    """Nothing else ever would; switched on again it has a whole period before it is late."""
    one = late()
    taken(one)
    one.define(Definition(monitor=a_monitor(enabled=False)), T0 + HOUR)
    assert taken(one).alert.status is AlertStatus.RESOLVED
    one.define(Definition(monitor=a_monitor()), T0 + DAY)
    assert one.deadline() == T0 + DAY + minutes(6)


def test_a_shorter_period_is_no_trap() -> None:
    """Whoever was not late under the old rules has a period under the new ones."""
    one = beaten(every="1d")
    one.define(Definition(monitor=a_monitor()), T0 + HOUR)
    assert one.deadline() == T0 + HOUR + minutes(6)
    one.define(Definition(monitor=a_monitor(summary="s")), T0 + HOUR + minutes(5))
    assert one.deadline() == T0 + HOUR + minutes(6), "other words change no deadline"


def test_a_monitor_that_left_the_policy_ends_and_clears() -> None:
    """Its lateness is taken back, at the service where it was reported."""
    one = late()
    taken(one)
    one.define(Definition(monitor=a_monitor(service="search")), T0 + minutes(10))
    one.define(Definition(), T0 + minutes(11))
    assert one.is_removed
    report = taken(one)
    assert (report.service, report.alert.service) == ("checkout", "checkout")
    assert one.deadline() is None


@pytest.mark.parametrize(
    ("every", "excused"),
    [("5m", minutes(6)), ("1h", minutes(61)), ("1d", minutes(61))],
)
def test_after_an_outage_of_ours_it_has_one_more_period(every: str, excused: timedelta) -> None:
    """Beats may have been lost with us: a period more, for a daily job an hour, and then it is late."""
    one = beaten(every=every)
    back = T0 + 2 * DAY
    one.excuse(back)
    assert one.deadline() == back + excused
    one.miss(back + excused)
    assert taken(one).alert.status is AlertStatus.FIRING


@pytest.mark.parametrize(
    ("seconds", "on_time"), [(0, True), (2.9, True), (-0.05, True), (4, False), (-1, False)]
)
def test_only_the_timer_of_a_deadline_tells_of_it(seconds: float, on_time: bool) -> None:
    """One that fired before it was set for an older deadline: it does not show that the server ran."""
    assert fires_on_time(T0 + timedelta(seconds=seconds), T0) is on_time


def test_what_the_policy_says_of_a_monitor() -> None:
    """With the folding of its service; one that it does not have is none."""
    policy = a_policy(
        services={"checkout": {"fold": "key"}},
        heartbeats={"backup": {"every": "1d", "service": "checkout", "on_return": "stay"}},
    )
    found = definition_of(policy, "backup")
    assert found.monitor is not None
    assert (found.fold, found.monitor.on_return) == ("key", "stay")
    assert definition_of(policy, "bakcup") == Definition()
    read = Heartbeat.model_validate_json(beaten().model_dump_json())
    assert read == beaten(), "it is carried over continue-as-new"


# What its return does to the incident.


def raised_by(one: Heartbeat, **how: Any) -> Story:
    origin = Origin(alerts=[taken(one).alert], received_at=T0)
    return Story(origin=origin, **how)


def returned(one: Heartbeat) -> Any:
    one.beat(T0 + minutes(10), T0 + minutes(10))
    return taken(one).alert


@pytest.mark.parametrize(
    ("on_return", "on_clear", "status"),
    [
        ("resolve", "stay", Status.RESOLVED),
        ("resolve", "resolve", Status.RESOLVED),
        ("stay", "resolve", Status.RAISED),
        ("stay", "stay", Status.RAISED),
    ],
)
def test_the_monitor_says_what_its_return_does(
    on_return: str, on_clear: str, status: Status
) -> None:
    """Of the incident that it raised; the later steps stay silent once it is resolved."""
    one = late(on_return=on_return)
    story = raised_by(one, policy=a_policy_slice(on_clear=on_clear))
    story.alert(returned(one))
    assert story.incident.status is status
    before = len(story.pages)
    story.wait(HOUR)
    assert (len(story.pages) == before) is (status is Status.RESOLVED)


def test_its_return_does_not_resolve_what_others_raised() -> None:
    """It joined somebody else's incident, or others joined its own and still fire: it stays open."""
    one = late()
    story = Story()
    story.alert(taken(one).alert)
    story.alert(returned(one))
    assert story.incident.is_open
    one = late()
    story = raised_by(one)
    story.alert(an_alert(key="cpu"))
    story.alert(returned(one))
    assert story.incident.is_open
    story.alert(cleared(key="cpu"))
    assert story.incident.is_open, "the last to clear follows the service's rule"
    assert story.of(f.AlertCleared)

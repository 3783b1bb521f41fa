"""The desk's decisions over time, with real incidents and no server: any walk, any rule, any delay.

The oracle beside the desk knows everything that happened and nothing of how the desk decides.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.alert import Alert, AlertStatus
from domain.alerts import reopens, said_by, take_alert, takes
from domain.facts import Closed, Linked, Reopened, Resolved
from domain.grouping import Rule
from domain.incident import Incident, Status
from domain.open_ref import OpenRef
from domain.policy.grouping import Grouping
from domain.raising import Origin, raise_incident
from domain.triage import DeskState
from tests.factories import T0, a_policy_slice, minutes
from workflows.deciding import DecidesReports
from workflows.inbox import Given, Inbox

KEYS, CLUSTERS = ("a", "b", "c", "d"), ("eu1", "us1", None)


@dataclass
class Truth:
    """What the oracle knows of one incident."""

    by: str
    """The alert that raised it."""
    began: datetime
    labels: dict[str, str] | None
    keys: set[str] = field(default_factory=set)
    joined: datetime | None = None

    def take(self, alert: Alert) -> None:
        if alert.key not in self.keys:
            self.keys.add(alert.key)
            self.joined = max(self.joined or self.began, alert.received_at)
            self.labels = alert.labels if self.labels is None else self.labels

    def refuses(self, alert: Alert, item: Inbox) -> bool:
        """Whether the policy keeps an alert of a key that this does not hold out of it."""
        rule = item.rule.grouping
        if item.fold == "key":
            return True
        if rule is None:
            return False
        if any((self.labels or {}).get(n) != alert.labels.get(n) for n in rule.labels):
            return True
        is_old = alert.received_at > self.began + rule.at_most
        last = self.joined or self.began
        return is_old or (rule.window is not None and alert.received_at > last + rule.window)


class Desk(DecidesReports):
    """A desk whose incidents live in the same process; their words may be kept back."""

    def __init__(self, *, prompt: bool, at_each: bool = False) -> None:
        self._state = DeskState(service="checkout", next_number=1)
        self._inbox: deque[Inbox] = deque()
        self.prompt, self.carries = prompt, at_each
        self.now = T0
        self.incidents: dict[str, Incident] = {}
        self.truth: dict[str, Truth] = {}
        self.words: deque[tuple[str, dict[str, Any]]] = deque()
        self.log: list[str] = []
        self.taken: list[str] = []
        """Ids of the alerts that incidents have taken."""

    # What the workflow does by activities.

    async def _start_incident(self, origin: Origin, kind: str, cause: str) -> str:
        incident_id = f"checkout-{self._state.take_number()}"
        incident, facts = raise_incident(
            incident_id, origin, a_policy_slice(), "", self.now, windows=[]
        )
        self.incidents[incident_id] = incident
        self._record(incident, *facts)
        first = origin.alerts[0]
        if self.prompt:
            self._check_raise(first, origin)
        ref = OpenRef(
            id=incident_id, severity="SEV2", priority="P2", raised_at=self.now,
            began_at=first.received_at,
        )  # fmt: skip
        self.truth[incident_id] = Truth(first.id, first.received_at, first.labels)
        for alert in origin.alerts:
            ref.join(alert)
            self.truth[incident_id].take(alert)
            self.taken.append(alert.id)
        self._state.open[incident_id] = ref
        self.log.append(f"{incident_id} raised by {[a.id for a in origin.alerts]}")
        return incident_id

    async def _hand_to(self, incident: str, given: Given, item: Inbox) -> None:
        subject, not_taken = self.incidents[incident], []
        batch = item.batch_for(incident, given)
        self.log.append(f"{incident} given {[a.id for a in batch.alerts]} {batch.reasons}")
        if subject.is_over:  # its workflow is gone
            self._state.settle(incident, [])
            again = item.model_copy(update={"alerts": batch.alerts, "related": incident})
            self._inbox.appendleft(again)
            return
        for alert in batch.alerts:
            was_resolved = subject.status is Status.RESOLVED
            self._record(subject, *reopens(subject, alert, batch.reopens))
            if was_resolved and subject.is_open:
                self._reopened(incident, item, alert)
            if not takes(subject, alert):
                not_taken.append(alert)
                continue
            facts = take_alert(subject, alert, self.now, batch.reasons.get(alert.id, ""))
            self._record(subject, *facts, actor=said_by(subject, alert))
            if alert.status is AlertStatus.FIRING:
                self.truth[incident].take(alert)
                self.taken.append(alert.id)
        if not_taken:
            self.tell("settled", incident, alerts=not_taken)

    def _refuse(self, what: str, why: str) -> None:
        self.log.append(f"refused {what}")

    # What happens.

    def _record(self, incident: Incident, *facts: Any, actor: str = "tocsin") -> None:
        for fact in facts:
            incident.record(fact, self.now, actor)

    def tell(self, word: str, incident: str, **more: Any) -> None:
        self.words.append((word, {"incident": incident, **more}))

    def hear(self, at_most: int) -> None:
        """The desk hears the oldest words."""
        for _ in range(min(at_most, len(self.words))):
            word, body = self.words.popleft()
            incident = self.incidents[body["incident"]]
            ref = OpenRef(
                id=incident.id, severity="SEV2", priority="P2", raised_at=incident.raised_at
            )
            if word == "reopened":
                if incident.is_open:
                    self._state.reopen(ref)
                continue
            if not incident.is_open:
                at = incident.resolved_at if incident.status is Status.RESOLVED else None
                back = body.get("alerts", [])
                self._state.settle(incident.id, list(incident.alerts), at, ref, back)
            for alert in body.get("alerts", []):
                self._inbox.append(
                    Inbox(
                        alerts=[alert], related=incident.id, fold=self.rule[0], rule=self.rule[1],
                        key=f"back/{alert.id}",
                    )
                )  # fmt: skip

    rule: tuple[Any, Rule] = ("service", Rule())

    async def work(self) -> None:
        """Everything that waits is decided."""
        for _ in range(1000):
            if self.prompt:
                self.hear(len(self.words))
            if not self._inbox:
                return
            if self.carries:
                self._state = DeskState.model_validate(self._state.model_dump(mode="json"))
            await self._decide_report(self._inbox.popleft())
        raise AssertionError("the desk is spinning")

    def end(self, number: int, how: str) -> None:
        """A person, or time, does something to one of the incidents."""
        if not self.incidents:
            return
        subject = list(self.incidents.values())[number % len(self.incidents)]
        if how == "resolve" and subject.is_open:
            self._record(subject, Resolved(summary="", ended_at=self.now, owes_postmortem=False))
            self.tell("settled", subject.id)
        elif how == "reopen" and subject.status is Status.RESOLVED:
            self._record(subject, Reopened(reason="it is back"))
            self.tell("reopened", subject.id)
        elif how == "close" and subject.status is Status.RESOLVED:
            self._record(subject, Closed(reason="time"))

    # What must hold, where the desk hears everything at once.

    def _open(self, but: str = "") -> list[Incident]:
        return [one for one in self.incidents.values() if one.is_open and one.id != but]

    def _check_raise(self, alert: Alert, origin: Origin) -> None:
        fold, rule = self.rule
        item = Inbox(fold=fold, rule=rule)
        mine = list(self.incidents)[-1]
        for other in self._open(mine):
            known = self.truth[other.id]
            assert alert.key not in known.keys, f"{other.id} holds {alert.key}"
            assert known.refuses(alert, item), f"{other.id} would have taken {alert}"
        # One that is only just asked to reopen is open for the desk already.
        assert bool(origin.apart) == bool(self._state.open), "says why it stays apart, or is alone"

    def _reopened(self, incident: str, item: Inbox, alert: Alert) -> None:
        resolved = self.incidents[incident]
        assert item.rule.reopen_within is not None
        assert alert.key in resolved.alerts
        if self.prompt:
            # What this very report has raised was not there yet when it was decided.
            ids = {one.id for one in item.alerts}
            for other in self._open(incident):
                known = self.truth[other.id]
                assert known.by in ids or known.refuses(alert, item)
        self.tell("reopened", incident)


spans = st.integers(min_value=0, max_value=40).map(minutes)
alerts = st.tuples(
    st.sampled_from(KEYS),
    st.sampled_from([*["firing"] * 5, "resolved", "acknowledged", "noted", "changed"]),
    st.sampled_from(CLUSTERS),
)
steps = st.one_of(
    st.tuples(st.just("report"), st.lists(alerts, min_size=1, max_size=5)),
    st.tuples(st.just("report"), st.lists(alerts, min_size=1, max_size=5)),
    st.tuples(st.just("wait"), spans),
    st.tuples(st.sampled_from(["resolve", "reopen", "close"]), st.integers(0, 9)),
    st.tuples(st.just("hear"), st.integers(1, 3)),
)
rules = st.builds(
    Rule,
    grouping=st.none()
    | st.builds(
        Grouping,
        window=st.none() | st.sampled_from([minutes(1), minutes(10), minutes(30)]),
        at_most=st.sampled_from([minutes(20), minutes(60)]),
        labels=st.sampled_from([[], ["cluster"]]),
    ),
    reopen_within=st.none() | st.sampled_from([minutes(5), minutes(60)]),
)


def alert_of(step: int, index: int, at: datetime, what: tuple[str, str, str | None]) -> Alert:
    key, status, cluster = what
    return Alert(
        id=f"{step}.{index}", key=key, status=AlertStatus(status), integration="prometheus",
        service="checkout", severity="SEV2", summary=f"{key} is broken", received_at=at, by="alice",
        labels={"cluster": cluster} if cluster else {},
    )  # fmt: skip


def walk(desk: Desk, story: list[Any], fold: str, rule: Rule) -> Desk:
    """Play a story on a desk, to its end: whatever was kept back is heard then."""
    desk.rule = (fold, rule)
    for number, (what, more) in enumerate(story):
        if what == "report":
            given = [alert_of(number, i, desk.now, one) for i, one in enumerate(more)]
            item = Inbox(alerts=given, fold=fold, rule=rule, key=f"batch-{number}")  # type: ignore[arg-type]
            desk._inbox.append(item)
        elif what == "wait":
            desk.now += more
        elif what == "hear":
            desk.hear(more)
        else:
            desk.end(more, what)
        asyncio.run(desk.work())
    while desk.words or desk._inbox:
        desk.hear(len(desk.words))
        asyncio.run(desk.work())
    return desk


def sent(story: list[Any]) -> int:
    batches = [more for what, more in story if what == "report"]
    return sum(status == "firing" for batch in batches for _, status, _ in batch)


@settings(max_examples=300, deadline=None)
@given(
    story=st.lists(steps, max_size=25), fold=st.sampled_from(["service", "key"]), rule=rules,
    prompt=st.booleans(),
)  # fmt: skip
def test_every_alert_is_part_of_exactly_one_incident_and_none_opens_beside_one_that_takes_it(
    story: list[Any], fold: str, rule: Rule, prompt: bool
) -> None:
    """Reports, clearings, words, resolutions, reopenings and delays in any order, under any rule."""
    desk = walk(Desk(prompt=prompt), story, fold, rule)
    assert sum(one.alert_count for one in desk.incidents.values()) == sent(story)
    assert len(desk.taken) == len(set(desk.taken))
    for one in desk.incidents.values():
        for link in one.links:
            assert link.target in desk.incidents


@settings(max_examples=100, deadline=None)
@given(story=st.lists(steps, max_size=20), fold=st.sampled_from(["service", "key"]), rule=rules)
def test_decisions_are_the_same_however_often_they_are_made(
    story: list[Any], fold: str, rule: Rule
) -> None:
    """A desk that is carried from run to run before each report decides as one that never was."""
    first = walk(Desk(prompt=True), story, fold, rule)
    again = walk(Desk(prompt=True), story, fold, rule)
    carried = walk(Desk(prompt=True, at_each=True), story, fold, rule)
    assert first.log == again.log == carried.log
    assert first._state == carried._state


def test_with_more_in_the_queue_what_was_decided_comes_out_the_same() -> None:
    """A task that is done again may find more reports: what it had decided keeps keys and numbers."""
    story: list[Any] = [
        ("report", [("a", "firing", "eu1"), ("b", "firing", "us1"), ("a", "acknowledged", "eu1")]),
        ("report", [("c", "changed", None), ("c", "firing", "eu1"), ("d", "resolved", None)]),
        ("report", [("d", "firing", "us1"), ("b", "noted", None)]),
    ]
    rule = Rule(grouping=Grouping(window=timedelta(minutes=10), labels=["cluster"]))
    whole = walk(Desk(prompt=True), story, "service", rule).log
    for length in range(len(story)):
        part = walk(Desk(prompt=True), story[:length], "service", rule).log
        assert whole[: len(part)] == part
    assert [line for line in whole if "raised" in line] == [
        "checkout-1 raised by ['0.0']",
        "checkout-2 raised by ['0.1']",
    ]


def test_a_report_that_is_decided_raises_related_incidents_for_what_comes_back() -> None:
    """An alert that a closed incident does not take is raised anew, linked to it."""
    desk = Desk(prompt=True)
    desk.rule = ("service", Rule(reopen_within=minutes(60)))
    story: list[Any] = [
        ("report", [("a", "firing", None)]),
        ("resolve", 0),
        ("close", 0),
        ("report", [("a", "firing", None)]),
    ]
    walk(desk, story, *desk.rule)
    assert [one.status for one in desk.incidents.values()] == [Status.CLOSED, Status.RAISED]
    (link,) = desk.incidents["checkout-2"].links
    assert link.model_dump() == Linked(target="checkout-1", kind="related").model_dump()

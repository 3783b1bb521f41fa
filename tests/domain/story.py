"""An incident played out without Temporal: commands, alerts, clocks, and an outside that answers.

It does what `workflows/entity.py` and `workflows/performing.py` do, in simulated time, and it fails
when the rules spin: when a clock or an effect keeps wanting something without time going on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from domain import facts as f
from domain import outcomes, page_outcomes
from domain.aggregate import Deadline, Effect, Fact, Result
from domain.alert import Alert
from domain.alerts import reopens as reopening
from domain.alerts import said_by, take_alert, takes
from domain.clocks import INCIDENT_CLOCKS
from domain.commands import COMMANDS
from domain.commands.base import check_request, parse_body
from domain.errors import IncidentError
from domain.facts.crossing import cause_checked
from domain.incident import Incident
from domain.likely_cause import LikelyCause, Suspect
from domain.maintenance import Window
from domain.messages import (
    Announced,
    Announcement,
    Delivery,
    DeliveryState,
    PageTarget,
    PageText,
    PlannedContact,
    ResolvedPage,
)
from domain.paged import DeliveryReceipt
from domain.policy.slice import PolicySlice
from domain.raising import Origin, raise_incident
from domain.reactions import follows
from domain.timeline import Entry
from tests.factories import T0, a_declaration, a_policy_slice

BEHIND = {
    "schedule:payments": ["alice"],
    "team:payments": ["alice", "bob"],
    "catch_all": ["carol"],
}
"""Who stands behind a target; a `person:` stands behind itself."""
REASONS = {"unauthorised": "unauthorised"}
PROGRESS = 200
"""Rounds of effects and clocks at one instant after which the rules are spinning."""


@dataclass
class Outside:
    """What the outside world answers."""

    behind: dict[str, list[str]] = field(default_factory=lambda: dict(BEHIND))
    channels: dict[str, list[str]] = field(default_factory=dict)
    """Contacts by person; one email where nothing is said."""
    broken: dict[tuple[str, str], str] = field(default_factory=dict)
    """(person, channel) to `retryable`, `permanent` or `unauthorised`."""
    plans: dict[str, list[tuple[str, float | None]]] = field(default_factory=dict)
    """By person: channel and seconds of each planned contact, where the plan has waits."""
    awaits: set[tuple[str, str]] = field(default_factory=set)
    """(person, channel) whose vendor promises a receipt."""
    hold: Callable[[datetime], datetime | None] = lambda at: None
    """When working hours begin, outside of them."""

    def target(self, person: str) -> PageTarget:
        plan = [
            PlannedContact(channel=channel, contact=index, after_seconds=seconds)
            for index, (channel, seconds) in enumerate(self.plans.get(person, []))
        ]
        channels = [contact.channel for contact in plan] or self.channels.get(person, ["email"])
        return PageTarget(person=person, channels=channels, plan=plan)

    def people(self, target: str) -> list[str]:
        kind, _, name = target.partition(":")
        return self.behind.get(target, [name] if kind == "person" else [])


class Story:
    """One incident, from raised on."""

    def __init__(
        self, *, severity: str = "SEV1", policy: PolicySlice | None = None,
        origin: Origin | None = None, outside: Outside | None = None, at: datetime = T0,
        is_carried: bool = False, windows: Sequence[Window] = (),
        held_for: LikelyCause | None = None, cause: Suspect | None = None,
    ) -> None:  # fmt: skip
        self.now, self.outside, self.is_carried = at, outside or Outside(), is_carried
        self.entries: list[Entry] = []
        self.facts: list[Fact] = []
        self.wanted: dict[str, Effect] = {}
        """Every effect that was ever wanted, as it was at first."""
        self.pages: list[tuple[datetime, str, str]] = []
        """(when, person, channel) of each page that left."""
        self.messages: list[tuple[datetime, Announcement]] = []
        self.cause, self.checks = cause, 0
        """What a check of the likely cause finds, and how often there was one."""
        self.incident, first = raise_incident(
            "checkout-1", origin or a_declaration(severity=severity), policy or a_policy_slice(),
            "https://tocsin.test/i/checkout-1", at, windows, held_for,
        )  # fmt: skip
        self.record(*first, actor="dana")
        self.settle_down()

    # What people and machines do.

    def do(self, name: str, actor: str = "operator", key: str = "", **body: Any) -> list[Fact]:
        """A command, as the update handler takes it, and everything that follows at once."""
        request = parse_body(COMMANDS[name], {"actor": actor, **body})
        check_request(request, self.incident, COMMANDS)
        facts = request.command.decide(self.incident, request.actor, self.now)
        self.record(*facts, actor=request.actor)
        if key:
            self.incident.remember(key, Result(seq=self.incident.seq))
        self.settle_down()
        return facts

    def refusal(self, name: str, actor: str = "operator", **body: Any) -> IncidentError | None:
        """Why a command is refused; None when it is taken. Nothing changes."""
        try:
            check_request(
                parse_body(COMMANDS[name], {"actor": actor, **body}), self.incident, COMMANDS
            )
        except IncidentError as error:
            return error
        return None

    def receipt(self, key: str, state: str = "delivered", detail: str = "") -> list[Fact]:
        """A vendor says what became of a page."""
        receipt = DeliveryReceipt(key=key, state=state, detail=detail)
        facts = page_outcomes.receipt_came(self.incident, receipt, self.now)
        self.record(*facts)
        self.settle_down()
        return facts

    def alert(self, alert: Alert, reason: str = "", reopens: str = "") -> list[Fact]:
        """An alert that the desk hands over; an incident that is over does not take it.

        Args:
            reopens: why the desk wants a resolved incident reopened.
        """
        again = reopening(self.incident, alert, reopens)
        self.record(*again)
        if not takes(self.incident, alert):
            return again
        facts = take_alert(self.incident, alert, self.now, reason)
        self.record(*facts, actor=said_by(self.incident, alert))
        self.settle_down()
        return [*again, *facts]

    def wait(self, length: timedelta) -> list[Fact]:
        """Let time go on, with every clock and every retry on the way; the facts of that time."""
        mark, until = len(self.facts), self.now + length
        self.settle_down()
        while (at := self._next_instant()) is not None and at <= until:
            self.now = max(at, self.now)
            self.settle_down()
        self.now = until
        return self.facts[mark:]

    def outage(self, length: timedelta) -> list[Fact]:
        """Time goes on, and nothing runs until it is over."""
        mark = len(self.facts)
        self.now += length
        self.settle_down()
        return self.facts[mark:]

    # What is seen.

    def names(self, *classes: type[Fact]) -> list[str]:
        """Names of the facts on the timeline, perhaps only some."""
        return [
            x.name for x in self.facts if not x.silent and (not classes or isinstance(x, classes))
        ]

    def of(self, kind: type[Any]) -> list[Any]:
        """Facts of one kind."""
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def paged(self, since: timedelta = timedelta(0)) -> list[str]:
        """Whom pages left for, in order, from an offset after raising on."""
        return [person for at, person, _ in self.pages if at >= T0 + since]

    def reminders(self, topic: str) -> list[tuple[timedelta, list[str]]]:
        """When after raising, and to whom, reminders of a topic went."""
        return [
            (at - self.incident.raised_at, m.recipients)
            for at, m in self.messages
            if m.context.get("topic") == topic
        ]

    # The machinery.

    def record(self, *facts: Fact, actor: str = "tocsin") -> None:
        for fact in facts:
            before = set(self.incident.effects)
            entry = self.incident.record(fact, self.now, actor, follows)
            self.facts.append(fact)
            if entry is not None:
                self.entries.append(entry)
            for key in set(self.incident.effects) - before:
                self._note(self.incident.effects[key])
        if self.is_carried:
            self.incident = Incident.model_validate(self.incident.model_dump(mode="json"))

    def settle_down(self) -> None:
        """Strike what is due and perform what is wanted, until only time can bring more."""
        for _ in range(PROGRESS):
            before = len(self.facts)
            for clock in INCIDENT_CLOCKS:
                deadline = clock.deadline(self.incident)
                if deadline is not None and deadline.at <= self.now:
                    struck = clock.strike(self.incident, self.now)
                    assert struck, f"{type(clock).__name__} is due and does nothing: it would spin"
                    self.record(*struck)
            due = [
                e for e in self.incident.effects.values() if (e.next_try or self.now) <= self.now
            ]
            for effect in due:
                if effect.key in self.incident.effects:
                    self._perform(self.incident.effects[effect.key])
            if not due and len(self.facts) == before:
                return
        raise AssertionError(f"spinning at {self.now}: {self.names()[-10:]}")

    def deadlines(self) -> list[Deadline]:
        """What each clock waits for."""
        found = (clock.deadline(self.incident) for clock in INCIDENT_CLOCKS)
        return [deadline for deadline in found if deadline is not None]

    def _next_instant(self) -> datetime | None:
        tries = [e.next_try for e in self.incident.effects.values() if e.next_try is not None]
        return min([*(d.at for d in self.deadlines()), *tries], default=None)

    def _note(self, effect: Effect) -> None:
        old = self.wanted.setdefault(effect.key, effect.model_copy(deep=True))
        if effect.kind != "resolve_page":  # a look-up: asked again when a held page is due
            assert old.input == effect.input, f"{effect.key} stands for two different things"

    def _perform(self, effect: Effect) -> None:
        match effect.kind:
            case "resolve_page":
                self.incident.settle(effect.key)
                self.record(
                    *page_outcomes.page_resolved(self.incident, effect, self._resolve(effect))
                )
            case "send_page":
                self._send(effect)
            case "compose_update":
                self.incident.settle(effect.key)
                text = f"{effect.input['variant']} for {effect.input['audience']}"
                self.record(*outcomes.composed(self.incident, effect, text, self.now))
            case "open_comms":
                self.incident.settle(effect.key)
                self.record(f.CommsOpened(room="checkout-1"))
            case "assess":
                self.incident.settle(effect.key)
                questions = self.incident.assessment.open_questions()
                self.record(f.AssessmentAsked(questions=questions, known={}))
            case "start_postmortem":
                self.incident.settle(effect.key)
                if not self.incident.has_postmortem:
                    self.record(f.PostmortemStarted(owner="alice"))
            case "check_cause":
                self.checks += 1
                self.incident.settle(effect.key)
                self.record(*cause_checked(self.incident, effect.input["cause"], self.cause))
            case "tell_cause" | "tell_dependents":
                self.incident.settle(effect.key)
            case "settle" | "tell_desk_reopened" | "review_rank" | "withdraw_page":
                self.incident.settle(effect.key)
            case _:
                self._announce(effect)

    def _resolve(self, effect: Effect) -> ResolvedPage:
        run = self.incident.run(effect.input["run"])
        if run is None or not run.is_active:
            return ResolvedPage()
        is_catch_all = run.is_paging_catch_all or run.step >= len(run.plan.steps)
        until = self.outside.hold(self.now)
        if run.wait_for_working_hours and until is not None:
            return ResolvedPage(hold_until=until)
        names = ["catch_all"] if is_catch_all else run.plan.steps[run.step].targets
        people = list(dict.fromkeys(p for name in names for p in self.outside.people(name)))
        targets = [self.outside.target(person) for person in people]
        return ResolvedPage(targets=targets, text=PageText(subject="page", text="page"))

    def _send(self, effect: Effect) -> None:
        person, channel = effect.input["person"], effect.input["channel"]
        how = self.outside.broken.get((person, channel))
        delivery = Delivery(
            key=effect.key, recipient=f"person:{person}", channel=channel,
            state=DeliveryState.FAILED if how else DeliveryState.SENT,
            reason=REASONS.get(how, "server_error") if how else None, retryable=how == "retryable",
            awaits_receipt=not how and (person, channel) in self.outside.awaits,
        )  # fmt: skip
        attempt = effect.attempt + 1
        outcome = page_outcomes.page_attempted(self.incident, effect, delivery, attempt, self.now)
        if outcome.retry_at is None:
            self.incident.settle(effect.key)
        else:
            self.incident.postpone(effect.key, outcome.retry_at)
        if not how:
            self.pages.append((self.now, person, channel))
        self.record(*outcome.facts)

    def _announce(self, effect: Effect) -> None:
        announcement = Announcement.model_validate(effect.input)
        self.messages.append((self.now, announcement))
        sent = Delivery(
            key=effect.key, recipient=", ".join(announcement.recipients), channel="email",
            state=DeliveryState.SENT,
        )  # fmt: skip
        outcome = outcomes.announced(effect, Announced(deliveries=[sent]), 1, self.now)
        self.incident.settle(effect.key)
        self.record(*outcome.facts)

"""How a desk decides one report: alert by alert, in order, each against what is open by then.

Whatever belongs together goes out together: the alerts of one report for one incident are one handing
over, and those that raise an incident are there when it begins. See `domain/triage.py` for the rules.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from domain.alert import Alert, AlertStatus, combine_repeats
    from domain.grouping import SAME_KEY, group_of
    from domain.open_ref import OpenRef
    from domain.raising import Origin, type_of
    from domain.triage import Ignore, Join, Raise, Reopen, Tell, belongs_with, decide
    from workflows.handing_alerts import HandsAlerts
    from workflows.inbox import Given, Inbox
    from workflows.joining_storms import JoinsStorms


class DecidesReports(JoinsStorms, HandsAlerts, ABC):
    """What a desk needs to decide reports; `ServiceDesk` is built on it."""

    @abstractmethod
    async def _start_incident(self, origin: Origin, kind: str, cause: str) -> str:
        """Start the next incident; its id, or that of the storm which took its alerts."""

    @abstractmethod
    def _refuse(self, what: str, why: str) -> None:
        """Keep a refusal where the operator sees it."""

    async def _decide_report(self, item: Inbox) -> None:
        alerts = combine_repeats(item.alerts)
        if item.related is not None:
            alerts = self._state.with_clearings(alerts)
        joining: dict[str, Given] = {}
        group: OpenRef | None = None
        """The incident that the alerts in `raising` are about to raise."""
        raising = Given()
        for alert in alerts:
            if group is not None and _must_exist_for(group, alert):
                await self._raise_for(raising, item)
                group = None
            decision = decide(self._state, alert, item.fold, item.rule)
            if group is not None and isinstance(decision, Raise | Reopen):
                why = belongs_with(group, alert, item.fold, item.rule)
                if why:
                    group.join(alert)
                    raising.add(alert, why)
                    continue
                await self._raise_for(raising, item)
                group = None
                decision = decide(self._state, alert, item.fold, item.rule)
            match decision:
                case Ignore():
                    self._ignore(alert)
                case Tell(incidents=incidents):
                    self._state.note_change(alert)
                    for incident in incidents:
                        joining.setdefault(incident, Given()).add(alert)
                case Join() | Reopen():
                    self._join(decision, alert, joining.setdefault(decision.incident, Given()))
                case Raise():
                    group, raising = group_of(alert), Given(alerts=[alert])
        if group is not None:
            await self._raise_for(raising, item)
        for incident, given in joining.items():
            await self._hand_to(incident, given, item)

    async def _raise_for(self, given: Given, item: Inbox) -> None:
        """One incident for alerts that belong together; those already over need none."""
        alerts = given.alerts
        decision = decide(self._state, alerts[0], item.fold, item.rule)
        if isinstance(decision, Join | Reopen):  # something has opened or ended meanwhile
            together = Given()
            self._join(decision, alerts[0], together)
            for alert in alerts[1:]:
                again = Join(incident=decision.incident, reason=given.reasons.get(alert.id, ""))
                self._join(again, alert, together)
            await self._hand_to(decision.incident, together, item)
            return
        origin = Origin(
            alerts=alerts,
            related=item.related or getattr(decision, "related", None),
            apart=getattr(decision, "apart", ""),
            reasons=given.reasons,
            received_at=alerts[0].received_at,
        )
        incident = await self._start_incident(origin, type_of(alerts), f"report/{alerts[0].id}")
        if self._is_storm(incident):
            await self._hand_to(incident, given, item)  # it was there already

    def _join(self, decision: Join | Reopen, alert: Alert, given: Given) -> None:
        """An alert is part of an incident: remembered, and handed over with the others of its report."""
        reason = decision.reason
        if isinstance(decision, Reopen):
            self._state.wish_open(decision)
            given.reopens, reason = decision.reason, SAME_KEY
        ref = self._state.open[decision.incident]
        if alert.status is AlertStatus.FIRING:
            ref.join(alert)
        elif alert.status is AlertStatus.RESOLVED:
            ref.remember([alert.key])
        given.add(alert, reason)

    def _ignore(self, alert: Alert) -> None:
        if alert.status is AlertStatus.RESOLVED:
            self._state.pass_over(alert)
        elif alert.status is AlertStatus.NOTED:
            self._refuse("note", f"nothing open holds alert {alert.key} of {alert.integration}")


def _must_exist_for(group: OpenRef, alert: Alert) -> bool:
    """Whether an incident must exist before an alert behind it can be decided: what hears must be there."""
    if alert.status is AlertStatus.CHANGED:
        return True
    return alert.status is not AlertStatus.FIRING and alert.key in group.keys

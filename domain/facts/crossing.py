"""Facts about what crosses services: a page that waits for the likely cause, dependents, storms."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from domain.aggregate import Fact
from domain.escalation import PageRun
from domain.incident import Incident, Link
from domain.likely_cause import CHECK_EVERY, DEPENDENTS_KEPT, LikelyCause, Suspect, holds


class HeldForCause(Fact):
    """Something that this service depends on is broken: the page waits for the end of that incident."""

    run: str
    cause: str
    """Id of the incident that is the likely cause."""
    service: str
    severity: str
    why: str

    def sentence(self) -> str:
        return (
            f"{self.cause} ({self.severity}) is the likely cause: {self.why}; nobody is paged for this "
            "one before that has ended"
        )

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.likely_cause = LikelyCause(
            incident=self.cause, service=self.service, severity=self.severity, why=self.why
        )
        hold(incident.run(self.run), self.cause, at)


class CauseCheckDue(Fact):
    """Bookkeeping: it is asked whether the likely cause is still open."""

    silent: ClassVar[bool] = True

    run: str

    def sentence(self) -> str:
        return ""

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        run = incident.run(self.run)
        if run is not None:
            run.checks += 1
            run.due_at = at + CHECK_EVERY


class CauseStillOpen(Fact):
    """Bookkeeping: the likely cause is still open, and this is how bad it is now."""

    silent: ClassVar[bool] = True

    severity: str

    def sentence(self) -> str:
        return ""

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        if incident.likely_cause is not None:
            incident.likely_cause.severity = self.severity


class CauseEnded(Fact):
    """Nothing holds the page any longer: it goes out, unless nothing fires any more."""

    run: str
    cause: str
    reason: str
    pages: bool

    def sentence(self) -> str:
        if self.pages:
            return f"{self.reason}: the page goes out"
        return (
            f"{self.reason}, and nothing fires here any more: nobody is paged unless it comes back"
        )

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        run = incident.run(self.run)
        if run is None or not run.is_active:
            return
        run.held_for, run.waits_for_alert = "", not self.pages
        run.due_at = at if self.pages else None


class DependentCollected(Fact):
    """An incident on a service that depends on this one is put down to it."""

    incident: str
    service: str
    why: str = ""
    held: bool = True

    def sentence(self) -> str:
        because = f" ({self.why})" if self.why else ""
        waits = "; its page waits for the end of this one" if self.held else ""
        return f"Linked as related: {self.incident}{because}{waits}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        if not any(link.target == self.incident for link in incident.links):
            incident.links.append(Link(target=self.incident, kind="related"))
        if self.held:
            known = [*(one for one in incident.dependents if one != self.incident), self.incident]
            incident.dependents = known[-DEPENDENTS_KEPT:]


class StormEnded(Fact):
    """The rate has stayed below the limit: what comes now is raised as usual again."""

    def sentence(self) -> str:
        return "The storm is over: new alerts are raised on their own services again"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        if incident.storm is not None:
            incident.storm.is_over = True


def hold(run: PageRun | None, cause: str, at: datetime) -> None:
    """Let a page run wait for the end of another incident; it looks again by itself."""
    if run is not None and run.is_active:
        run.held_for, run.due_at = cause, at + CHECK_EVERY


def word_of_cause(incident: Incident, run: PageRun) -> Fact | None:
    """What the likely cause means to a page run that is due: held on, let go, or nothing at all."""
    cause = incident.likely_cause
    if not run.held_for or run.paged:
        return None
    if cause is None or incident.policy.is_higher(incident.severity, cause.severity):
        worse = f"{incident.severity} is worse than {run.held_for}"
        return CauseEnded(run=run.id, cause=run.held_for, reason=worse, pages=True)
    return CauseCheckDue(run=run.id)


def cause_ended(incident: Incident, cause: str, reason: str) -> list[Fact]:
    """The facts of a cause that holds no page any longer: what still fires is paged."""
    pages = incident.still_fires
    return [
        CauseEnded(run=run.id, cause=cause, reason=reason, pages=pages)
        for run in incident.active_pages()
        if run.held_for == cause
    ]


def cause_checked(incident: Incident, cause: str, found: Suspect | None) -> list[Fact]:
    """What the safety check has found: nothing at all is the end of it too."""
    if found is None:
        return cause_ended(incident, cause, f"{cause} cannot be found any more")
    if not found.is_open:
        return cause_ended(incident, cause, f"{cause} has ended")
    if not holds(found, incident.severity, incident.policy):
        return cause_ended(
            incident, cause, f"{cause} ({found.severity}) does not cover this any more"
        )
    return [CauseStillOpen(severity=found.severity)]

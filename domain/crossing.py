"""What crosses services, as effects of one incident: its likely cause, its dependents, a storm's desks."""

from __future__ import annotations

from collections.abc import Iterable

from domain.aggregate import Effect
from domain.escalation import PageRun
from domain.facts.crossing import CauseCheckDue, DependentCollected, HeldForCause
from domain.incident import Incident
from domain.likely_cause import CauseWord, Dependent, Suspect, TellCause, TellDependents
from domain.policy.model import PageWhen


def as_suspect(incident: Incident) -> Suspect:
    """What an incident is to those that depend on its service."""
    never = incident.policy.level(incident.severity).page is PageWhen.NEVER
    return Suspect(
        id=incident.id,
        service=incident.service,
        summary=incident.summary[:200],
        severity=incident.severity,
        is_open=incident.is_open,
        pages=bool(incident.pages)
        and not never
        and not any(map(_is_held, incident.active_pages())),
    )


def held(incident: Incident, fact: HeldForCause) -> Iterable[Effect]:
    """The cause hears of what is put down to it."""
    dependent = Dependent(incident=incident.id, service=incident.service, why=fact.why)
    yield Effect(
        key=f"{incident.id}/cause/{fact.cause}",
        kind="tell_cause",
        input=TellCause(cause=fact.cause, dependent=dependent).model_dump(mode="json"),
    )


def check_due(incident: Incident, fact: CauseCheckDue) -> Iterable[Effect]:
    """It is asked whether the cause is still open."""
    run = incident.run(fact.run)
    if run is not None and run.held_for:
        yield Effect(
            key=f"{incident.id}/{run.id}/cause/{run.checks}",
            kind="check_cause",
            input={"cause": run.held_for},
        )


def collected(incident: Incident, fact: DependentCollected) -> Iterable[Effect]:
    """A dependent that was there first is told of its cause too; one that is held knows it."""
    if not fact.held:
        yield tell_dependents(incident, [fact.incident], "")


def ended(incident: Incident, how: str) -> Iterable[Effect]:
    """Those whose pages wait for the end of this incident hear of it."""
    if incident.dependents:
        yield tell_dependents(incident, incident.dependents, how)


def tell_dependents(incident: Incident, dependents: Iterable[str], how: str) -> Effect:
    word = TellDependents(
        dependents=list(dependents), word=CauseWord(incident=incident.id, how=how)
    )
    return Effect(
        key=f"{incident.id}/dependents/{how or 'found'}/{incident.seq + 1}",
        kind="tell_dependents",
        input=word.model_dump(mode="json"),
    )


def _is_held(run: PageRun) -> bool:
    return bool(run.held_by or run.held_for) or run.waits_for_alert

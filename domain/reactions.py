"""What leaves by itself: for each fact, the effects that follow from it. One page, on purpose.

An effect's key is made from business facts only, so that a retry, a replay, a reset and a second
worker all ask for the same thing under the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from domain import crossing, easing, room_reactions, speaking
from domain import facts as f
from domain.aggregate import Effect, Fact
from domain.escalation import CATCH_ALL
from domain.incident import Incident
from domain.messages import Purpose
from domain.page_effects import pages
from domain.roles import INCIDENT_MANAGER
from domain.telling import announce, remind
from domain.updates import Audience, Stage
from domain.whom_to_tell import was_told_its_over, whom_to_remind


def follows(incident: Incident, fact: Fact, at: datetime, actor: str) -> list[Effect]:
    """The effects of one fact on one incident, after it has been folded."""
    rule = _RULES.get(type(fact))
    following = list(rule(incident, fact, at, actor)) if rule else []
    return [*following, *easing.always(incident), *room_reactions.always(incident, at)]


def _step_due(incident: Incident, fact: f.StepDue, at: datetime, actor: str) -> Iterable[Effect]:
    run = incident.run(fact.run)
    if run is not None:
        yield Effect(
            key=f"{incident.id}/{run.step_key()}/resolve",
            kind="resolve_page",
            input={"run": run.id, "late": fact.late},
        )


def _step_paged(
    incident: Incident, fact: f.StepPaged, at: datetime, actor: str
) -> Iterable[Effect]:
    step = f"s{fact.step}" if fact.step else CATCH_ALL
    for target in fact.targets:
        place = (fact.run, fact.round, step, target.person)
        yield from pages(incident, *place, 0, target.channels, fact.text, fact.late)


def _page_failed(
    incident: Incident, fact: f.PageFailed, at: datetime, actor: str
) -> Iterable[Effect]:
    if fact.tells_operator:
        yield announce(
            incident, "tell_operator", f"unauthorised/{fact.channel}", Purpose.OPERATOR, "operator",
            ["operator"], what=f"the vendor of channel {fact.channel} does not know us any more: "
            f"{fact.detail or fact.reason}; pages go by other channels until its key is replaced",
        )  # fmt: skip
    if fact.next_contact is not None:
        place = (fact.run, fact.round, fact.step, fact.person)
        yield from pages(incident, *place, fact.next_contact, fact.channels, fact.text, fact.late)


def _unconfirmed(
    incident: Incident, fact: f.PageUnconfirmed, at: datetime, actor: str
) -> Iterable[Effect]:
    if fact.next_contact is not None:
        place = (fact.run, fact.round, fact.step, fact.person)
        yield from pages(incident, *place, fact.next_contact)


def _contact_due(
    incident: Incident, fact: f.ContactDue, at: datetime, actor: str
) -> Iterable[Effect]:
    yield from pages(incident, fact.run, fact.round, fact.step, fact.person, fact.contact)


def _paging_failed(
    incident: Incident, fact: f.PagingFailed, at: datetime, actor: str
) -> Iterable[Effect]:
    yield announce(
        incident, "tell_operator", f"{fact.run}/paging-failed/{incident.seq + 1}", Purpose.OPERATOR,
        "operator", ["operator"], what=fact.sentence(),
    )  # fmt: skip


def _sign_asked(
    incident: Incident, fact: f.SignOfLifeAsked, at: datetime, actor: str
) -> Iterable[Effect]:
    to = [f"person:{fact.person}"] if fact.person else ["catch_all"]
    yield remind(
        incident, f"sign-of-life/{incident.seq + 1}", to, "sign_of_life", what=fact.sentence()
    )


def _exhausted(
    incident: Incident, fact: f.PolicyExhausted, at: datetime, actor: str
) -> Iterable[Effect]:
    yield announce(
        incident, "tell_operator", f"{fact.run}/exhausted", Purpose.OPERATOR, "operator", ["operator"],
        what=fact.sentence(),
    )  # fmt: skip


def _faulted(incident: Incident, fact: f.Faulted, at: datetime, actor: str) -> Iterable[Effect]:
    yield announce(
        incident, "tell_operator", f"fault/{incident.seq + 1}", Purpose.OPERATOR, "operator", ["operator"],
        what=fact.sentence(),
    )  # fmt: skip


def _acknowledged(
    incident: Incident, fact: f.Acknowledged, at: datetime, actor: str
) -> Iterable[Effect]:
    if fact.told:
        yield announce(
            incident, "tell_paged", f"acknowledged/{fact.person}/{incident.seq + 1}",
            Purpose.PAGE_UPDATE, "page_update", [f"person:{person}" for person in fact.told],
            taken_by=fact.person,
        )  # fmt: skip
    if fact.first and not fact.again:
        yield Effect(key=f"{incident.id}/open_comms", kind="open_comms")
        yield Effect(key=f"{incident.id}/assess", kind="assess")
    yield from easing.acknowledged(incident, fact)


def _asked(
    incident: Incident, fact: f.AssessmentAsked, at: datetime, actor: str
) -> Iterable[Effect]:
    manager = incident.incident_manager
    if manager is not None:
        yield _role_message(
            incident,
            INCIDENT_MANAGER,
            manager,
            "acknowledged",
            questions=fact.questions,
            known=fact.known,
        )


def _role_message(incident: Incident, role: str, person: str, how: str, **context: Any) -> Effect:
    definition = incident.policy.role(role)
    return announce(
        incident, "delegate", f"role/{role}/{person}/{incident.seq + 1}", Purpose.ROLE, "role",
        [f"person:{person}"], role=role, title=definition.title, duties=definition.duties, how=how,
        **context,
    )  # fmt: skip


def _delegated(incident: Incident, fact: f.Delegated, at: datetime, actor: str) -> Iterable[Effect]:
    yield _role_message(incident, fact.role, fact.to, "offered", by=actor)


def _handed_over(
    incident: Incident, fact: f.HandedOver, at: datetime, actor: str
) -> Iterable[Effect]:
    yield _role_message(
        incident, fact.role, fact.to, "handed_over", by=fact.old, briefing=fact.briefing
    )


def _declined(
    incident: Incident, fact: f.RoleDeclined, at: datetime, actor: str
) -> Iterable[Effect]:
    to = whom_to_remind(incident, INCIDENT_MANAGER, Stage.MANAGER)
    key = f"declined/{fact.role}/{fact.person}/{incident.seq + 1}"
    yield remind(incident, key, to, "role_declined", what=fact.sentence())


def _unanswered(
    incident: Incident, fact: f.RoleUnanswered, at: datetime, actor: str
) -> Iterable[Effect]:
    to = [f"person:{fact.person}", *whom_to_remind(incident, INCIDENT_MANAGER, Stage.MANAGER)]
    key = f"unanswered/{fact.role}/{fact.person}/{incident.seq + 1}"
    recipients = list(dict.fromkeys(to))
    yield remind(
        incident, key, recipients, "role_unanswered", what=fact.sentence(), title=fact.title
    )


def _shift(incident: Incident, fact: f.ShiftTooLong, at: datetime, actor: str) -> Iterable[Effect]:
    key = f"shift/{fact.person}/{incident.seq + 1}"
    yield remind(incident, key, [f"person:{fact.person}"], "shift", what=fact.sentence())


def _confirmation(
    incident: Incident, fact: f.ConfirmationDue, at: datetime, actor: str
) -> Iterable[Effect]:
    to = whom_to_remind(incident, INCIDENT_MANAGER, fact.stage)
    questions = incident.assessment.open_questions()
    yield remind(incident, f"confirm/{fact.stage}", to, "confirm", questions=questions)


def _cleared(
    incident: Incident, fact: f.AlertCleared, at: datetime, actor: str
) -> Iterable[Effect]:
    if incident.incident_manager is not None and not fact.resolves:
        to = whom_to_remind(incident, INCIDENT_MANAGER, Stage.OWNER)
        yield remind(
            incident, f"cleared/{incident.seq + 1}", to, "alert_cleared", what=fact.sentence()
        )


def _settle(incident: Incident) -> Effect:
    seq = incident.seq + 1
    data = {"alerts": [], "seq": seq}
    return Effect(key=f"{incident.id}/settle/{seq}", kind="settle", input=data)


def _finals(incident: Incident, *, always_internal: bool) -> Iterable[Effect]:
    if always_internal or incident.has_published(Audience.INTERNAL):
        yield speaking.compose(incident, Audience.INTERNAL, "final")
    if incident.has_published(Audience.EXTERNAL):
        yield speaking.compose(incident, Audience.EXTERNAL, "final")


def _resolved(incident: Incident, fact: f.Resolved, at: datetime, actor: str) -> Iterable[Effect]:
    yield _settle(incident)
    yield from crossing.ended(incident, "resolved")
    yield from _finals(incident, always_internal=True)
    if incident.owes_postmortem:
        yield _postmortem(incident, actor)


def _cancelled(incident: Incident, fact: f.Cancelled, at: datetime, actor: str) -> Iterable[Effect]:
    yield _settle(incident)
    yield from crossing.ended(incident, "cancelled")
    yield from _finals(incident, always_internal=False)


def _severity_changed(
    incident: Incident, fact: f.SeverityChanged, at: datetime, actor: str
) -> Iterable[Effect]:
    if fact.starts_postmortem:
        yield _postmortem(incident, actor)
    yield from easing.order_changed(incident, fact)


def _postmortem(incident: Incident, actor: str) -> Effect:
    return Effect(
        key=f"{incident.id}/postmortem/{incident.seq + 1}",
        kind="start_postmortem",
        input={"resolved_by": actor},
    )


def _reopened(incident: Incident, fact: f.Reopened, at: datetime, actor: str) -> Iterable[Effect]:
    seq = incident.seq + 1
    key = f"{incident.id}/reopened/{seq}"
    yield Effect(key=key, kind="tell_desk_reopened", input={"seq": seq})
    if incident.policy.audiences and was_told_its_over(incident):
        # The status page must not go on saying that all is well; what it says instead, a person decides.
        yield speaking.compose(incident, Audience.EXTERNAL, "reopened", draft=True)


_RULES: dict[type[Fact], Callable[[Incident, Any, datetime, str], Iterable[Effect]]] = {
    f.StepDue: _step_due,
    f.StepPaged: _step_paged,
    f.PageFailed: _page_failed,
    f.PageUnconfirmed: _unconfirmed,
    f.ContactDue: _contact_due,
    f.PagingFailed: _paging_failed,
    f.SignOfLifeAsked: _sign_asked,
    f.PolicyExhausted: _exhausted,
    f.Faulted: _faulted,
    f.Acknowledged: _acknowledged,
    f.AssessmentAsked: _asked,
    f.Confirmed: speaking.confirmed,
    f.ConfirmationDue: _confirmation,
    f.UpdatePublished: speaking.published,
    f.UpdateDrafted: speaking.drafted,
    f.UpdateProposed: speaking.proposed,
    f.ApprovalDue: speaking.proposed,
    f.MessageHeld: speaking.held,
    f.MessageReleased: speaking.released,
    f.UpdateDue: speaking.update_due,
    f.Delegated: _delegated,
    f.HandedOver: _handed_over,
    f.RoleDeclined: _declined,
    f.RoleUnanswered: _unanswered,
    f.ShiftTooLong: _shift,
    f.AlertCleared: _cleared,
    f.SeverityChanged: _severity_changed,
    f.PriorityChanged: lambda incident, fact, at, actor: easing.order_changed(incident, fact),
    f.Overloaded: lambda incident, fact, at, actor: easing.overloaded(incident, fact.person),
    f.HeldForCause: lambda incident, fact, at, actor: crossing.held(incident, fact),
    f.CauseCheckDue: lambda incident, fact, at, actor: crossing.check_due(incident, fact),
    f.DependentCollected: lambda incident, fact, at, actor: crossing.collected(incident, fact),
    f.Resolved: _resolved,
    f.Cancelled: _cancelled,
    f.Reopened: _reopened,
    f.ChannelDegraded: room_reactions.degraded,
}

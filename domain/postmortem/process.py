"""How a postmortem goes on by itself: clocks, and what follows from its facts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from domain.aggregate import Clock, Deadline, Effect, Fact
from domain.facts import Faulted
from domain.messages import Announcement, Purpose
from domain.postmortem import document as d
from domain.postmortem.document import Postmortem, PostmortemStatus


class DueClock(Clock[Postmortem]):
    """Reminds the owner at the due date, and then at the policy's pace until it is approved."""

    def deadline(self, subject: Postmortem) -> Deadline | None:
        if subject.due_at is None or subject.status not in (
            PostmortemStatus.DRAFT,
            PostmortemStatus.IN_REVIEW,
        ):
            return None
        at = subject.due_at
        if subject.reminded_at is not None:
            at = subject.reminded_at + subject.policy.postmortems.remind_every
        return Deadline(at=at, summary="Postmortem due")

    def strike(self, subject: Postmortem, now: datetime) -> list[Fact]:
        return [d.PostmortemDue(owner=subject.owner, overdue_days=_days(subject.due_at, now))]


class ActionClock(Clock[Postmortem]):
    """Reminds the owner of each action at its date, and then at the policy's pace until it is done."""

    def _next(self, subject: Postmortem, action: d.Action) -> datetime:
        if action.reminded_at is None:
            return action.due_at
        return action.reminded_at + subject.policy.postmortems.remind_every

    def deadline(self, subject: Postmortem) -> Deadline | None:
        waiting = [(self._next(subject, a), a.id) for a in subject.open_actions()]
        if not waiting or subject.status is PostmortemStatus.CLOSED:
            return None
        at, action = min(waiting)
        return Deadline(at=at, summary=f"Action {action} due")

    def strike(self, subject: Postmortem, now: datetime) -> list[Fact]:
        return [
            d.ActionDue(action=a.id, owner=a.owner, text=a.text, overdue_days=_days(a.due_at, now))
            for a in subject.open_actions()
            if self._next(subject, a) <= now
        ]


class FinishClock(Clock[Postmortem]):
    """Closes what is approved and has no action open, after a moment in which one may still be added."""

    def deadline(self, subject: Postmortem) -> Deadline | None:
        if subject.status is not PostmortemStatus.APPROVED or subject.open_actions():
            return None
        done = [action.done_at for action in subject.actions if action.done_at is not None]
        since = max([subject.approved_at or subject.started_at, *done])
        return Deadline(at=since + subject.policy.postmortems.close_after, summary="Close")

    def strike(self, subject: Postmortem, now: datetime) -> list[Fact]:
        return [d.PostmortemClosed()]


POSTMORTEM_CLOCKS: tuple[Clock[Postmortem], ...] = (DueClock(), ActionClock(), FinishClock())


def begin(
    incident: dict[str, Any], owner: str, policy: Any, at: datetime
) -> tuple[Postmortem, list[Fact]]:
    """A postmortem as it begins, from the view of its resolved incident."""
    due = policy.level(str(incident.get("severity"))).postmortem_due
    resolved = incident.get("resolved_at")
    base = datetime.fromisoformat(str(resolved)) if resolved else at
    due_at = base + due if due is not None else None
    postmortem = Postmortem(
        id=str(incident["id"]), incident=incident, policy=policy, owner=owner, started_at=at,
        due_at=due_at,
    )  # fmt: skip
    return postmortem, [d.Begun(owner=owner, due_at=due_at)]


def postmortem_follows(subject: Postmortem, fact: Fact, at: datetime, actor: str) -> list[Effect]:
    """What leaves by itself."""
    return list(_follows(subject, fact))


def _follows(subject: Postmortem, fact: Fact) -> Iterable[Effect]:
    match fact:
        case d.Begun():
            yield Effect(key=f"{subject.id}/postmortem/draft/1", kind="draft_postmortem")
            yield _tell(subject, "started", subject.owner, "started")
        case Faulted():
            key = f"{subject.id}/postmortem/fault/{subject.seq + 1}"
            announcement = Announcement(
                key=key,
                purpose=Purpose.OPERATOR,
                template="operator",
                recipients=["operator"],
                context={"what": fact.sentence()},
            )
            yield Effect(key=key, kind="tell_operator", input=announcement.model_dump(mode="json"))
        case d.ResolvedAgain():
            yield Effect(
                key=f"{subject.id}/postmortem/draft/{subject.seq + 1}", kind="draft_postmortem"
            )
        case d.PostmortemDue(overdue_days=days):
            topic = "overdue" if days else "due"
            yield _tell(subject, f"due/{subject.seq + 1}", subject.owner, topic)
        case d.ActionDue():
            yield _tell(
                subject, f"action/{fact.action}/{subject.seq + 1}", fact.owner, "action_due",
                action=fact.action, text=fact.text, overdue_days=fact.overdue_days,
            )  # fmt: skip
        case d.ActionAdded():
            yield _tell(
                subject, f"action/{fact.action}/added", fact.owner, "action_added",
                action=fact.action, text=fact.text, due_at=fact.due_at.isoformat(),
            )  # fmt: skip
        case d.Approved():
            yield _export(subject)
        case d.PostmortemClosed():
            yield _export(subject)
            yield Effect(key=f"{subject.id}/postmortem/closed", kind="tell_incident_closed")
        case _:
            return


def _export(subject: Postmortem) -> Effect:
    return Effect(key=f"{subject.id}/postmortem/export/{subject.seq + 1}", kind="export_postmortem")


def _tell(subject: Postmortem, key: str, person: str, topic: str, **context: Any) -> Effect:
    full_key = f"{subject.id}/postmortem/{key}"
    announcement = Announcement(
        key=full_key,
        purpose=Purpose.POSTMORTEM,
        template="postmortem_notice",
        recipients=[f"person:{person}"] if person in subject.policy.people else ["catch_all"],
        context={"topic": topic, "postmortem": subject.view() | {"incident": {}}, **context},
    )
    return Effect(key=full_key, kind="tell_owner", input=announcement.model_dump(mode="json"))


def _days(due: datetime | None, now: datetime) -> int:
    return max((now - due) // timedelta(days=1), 0) if due is not None else 0

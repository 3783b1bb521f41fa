"""The postmortem: what it holds, where it stands, and its facts.

Source: Atlassian's incident handbook, postmortem fields and process. Blameless: roles, not people.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel

from domain.aggregate import Aggregate, Fact
from domain.policy.slice import PolicySlice


class PostmortemStatus(StrEnum):
    DRAFT = "draft"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    CLOSED = "closed"


FIELDS: dict[str, str] = {
    "summary": "What happened, how bad it was, why, and for how long",
    "leadup": "What led up to it",
    "fault": "What did not work as expected",
    "impact": "Who was affected, inside and outside, and how many support cases there were",
    "detection": "How and when it was noticed; how could that be halved?",
    "response": "Who responded, when, and what delayed it",
    "recovery": "How and when the service was back; how could that be halved?",
    "five_whys": "Five times why",
    "root_cause": "The thing to change so that the whole class does not happen again",
    "backlog_check": "Was there already work that would have stopped it?",
    "recurrence": "Earlier incidents with the same cause",
    "lessons": "What went well, what went badly, where we were lucky",
}
"""Field and what it answers, in the document's order."""

ActionKind = Literal["priority", "improvement"]


class Action(BaseModel):
    """One follow-up: a verb, a person, a date."""

    id: str
    text: str
    owner: str
    due_at: datetime
    kind: ActionKind = "improvement"
    link: str | None = None
    done_at: datetime | None = None
    reminded_at: datetime | None = None


class Postmortem(Aggregate):
    """State of one postmortem; `id` is the incident's."""

    incident: dict[str, Any]
    policy: PolicySlice
    owner: str
    status: PostmortemStatus = PostmortemStatus.DRAFT
    started_at: datetime
    due_at: datetime | None = None
    fields: dict[str, str] = {}
    category: str | None = None
    actions: list[Action] = []
    approvers: list[str] = []
    submitted_at: datetime | None = None
    approved_at: datetime | None = None
    closed_at: datetime | None = None
    reminded_at: datetime | None = None
    resolutions: list[str] = []

    def action(self, action_id: str) -> Action | None:
        return next((a for a in self.actions if a.id == action_id), None)

    def open_actions(self) -> list[Action]:
        return [action for action in self.actions if action.done_at is None]

    def view(self) -> dict[str, Any]:
        """The postmortem as the outside sees it."""
        data = self.model_dump(
            mode="json",
            include={
                "owner", "status", "started_at", "due_at", "fields", "category", "actions",
                "approvers", "submitted_at", "approved_at", "closed_at",
            },
        )  # fmt: skip
        return data | {
            "incident_id": self.id,
            "incident": self.incident,
            "organisation": self.policy.organisation,
            "open_actions": len(self.open_actions()),
            "version": self.seq,
        }


class PostmortemFact(Fact):
    """Base of what happens to a postmortem."""

    def apply(self, subject: Postmortem, at: datetime, actor: str) -> None:
        """Fold into the postmortem."""


class Begun(PostmortemFact):
    """The postmortem exists and has an owner."""

    owner: str
    due_at: datetime | None = None

    def sentence(self) -> str:
        due = f", due {self.due_at:%Y-%m-%d %H:%M} UTC" if self.due_at else ""
        return f"Postmortem begun, owner {self.owner}{due}"


class Drafted(PostmortemFact):
    """Tocsin wrote a first draft from the timeline; what people had written stands."""

    fields: dict[str, str]

    def sentence(self) -> str:
        return f"Draft written from the timeline: {', '.join(self.fields)}"

    def data(self) -> dict[str, Any]:
        return {"fields": sorted(self.fields)}

    def apply(self, subject: Postmortem, at: datetime, actor: str) -> None:
        subject.fields = {**self.fields, **subject.fields}


class Edited(PostmortemFact):
    """Somebody wrote."""

    fields: dict[str, str] = {}
    owner: str | None = None
    category: str | None = None
    needs_new_review: bool = False

    def sentence(self) -> str:
        parts = [
            *self.fields,
            *(["owner"] if self.owner else []),
            *(["category"] if self.category else []),
        ]
        return f"Edited: {', '.join(parts)}"

    def apply(self, subject: Postmortem, at: datetime, actor: str) -> None:
        subject.fields = {**subject.fields, **self.fields}
        subject.owner = self.owner or subject.owner
        subject.category = self.category or subject.category
        if self.needs_new_review:
            subject.status, subject.approvers = PostmortemStatus.IN_REVIEW, []
            subject.approved_at = None


class Submitted(PostmortemFact):
    """Ready for review."""

    def sentence(self) -> str:
        return "Submitted for review"

    def apply(self, subject: Postmortem, at: datetime, actor: str) -> None:
        subject.status, subject.submitted_at = PostmortemStatus.IN_REVIEW, at


class Approved(PostmortemFact):
    """The root cause is agreed, and the actions address it."""

    by: str

    def sentence(self) -> str:
        return f"Approved by {self.by}"

    def apply(self, subject: Postmortem, at: datetime, actor: str) -> None:
        subject.status, subject.approved_at = PostmortemStatus.APPROVED, at
        subject.approvers = [*subject.approvers, self.by]


class ActionAdded(PostmortemFact):
    """A follow-up with an owner and a date."""

    action: str
    text: str
    owner: str
    due_at: datetime
    kind: ActionKind
    link: str | None = None

    def sentence(self) -> str:
        return f"Action {self.action} for {self.owner}, due {self.due_at:%Y-%m-%d}: {self.text}"

    def apply(self, subject: Postmortem, at: datetime, actor: str) -> None:
        subject.actions.append(
            Action(
                id=self.action, text=self.text, owner=self.owner, due_at=self.due_at,
                kind=self.kind, link=self.link,
            )
        )  # fmt: skip


class ActionCompleted(PostmortemFact):
    """A follow-up is done."""

    action: str

    def sentence(self) -> str:
        return f"Action {self.action} completed"

    def apply(self, subject: Postmortem, at: datetime, actor: str) -> None:
        action = subject.action(self.action)
        if action is not None:
            action.done_at = at


class PostmortemDue(PostmortemFact):
    """The due date has come, or has passed."""

    owner: str
    overdue_days: int

    def sentence(self) -> str:
        late = f"{self.overdue_days} days overdue" if self.overdue_days else "due now"
        return f"Postmortem {late}: {self.owner} is reminded"

    def apply(self, subject: Postmortem, at: datetime, actor: str) -> None:
        subject.reminded_at = at


class ActionDue(PostmortemFact):
    """A follow-up's date has come and it is not done."""

    action: str
    owner: str
    text: str
    overdue_days: int

    def sentence(self) -> str:
        late = f"{self.overdue_days} days overdue" if self.overdue_days else "due now"
        return f"Action {self.action} {late}: {self.owner} is reminded"

    def apply(self, subject: Postmortem, at: datetime, actor: str) -> None:
        action = subject.action(self.action)
        if action is not None:
            action.reminded_at = at


class ResolvedAgain(PostmortemFact):
    """The incident was reopened and resolved once more: the document covers both."""

    incident: dict[str, Any]

    def sentence(self) -> str:
        return f"The incident was resolved again: {self.incident.get('resolution')}"

    def data(self) -> dict[str, Any]:
        return {"resolution": self.incident.get("resolution")}

    def apply(self, subject: Postmortem, at: datetime, actor: str) -> None:
        subject.incident = self.incident


class PostmortemClosed(PostmortemFact):
    """Approved, and no action is open."""

    def sentence(self) -> str:
        return "Postmortem closed: approved, and no action is open"

    def apply(self, subject: Postmortem, at: datetime, actor: str) -> None:
        subject.status, subject.closed_at = PostmortemStatus.CLOSED, at


class Exported(PostmortemFact):
    """The document stands as files."""

    files: list[str]

    def sentence(self) -> str:
        return f"Exported: {', '.join(self.files)}"

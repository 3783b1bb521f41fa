"""What follows from the facts of communication: texts are written, published, reminded of, approved."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from domain import facts as f
from domain.aggregate import Effect
from domain.held import Verdict
from domain.incident import Incident
from domain.messages import Announcement, Purpose
from domain.telling import announce, remind
from domain.updates import Audience, Stage
from domain.whom_to_tell import owner_of_updates, readers, recipients_of, whom_to_remind


def update_due(incident: Incident, fact: f.UpdateDue, at: datetime, actor: str) -> Iterable[Effect]:
    to = whom_to_remind(incident, owner_of_updates(incident, fact.audience), fact.stage)
    key = f"update/{fact.audience}/{incident.seq + 1}"
    yield remind(
        incident, key, to, "update_due", audience=fact.audience, due_at=fact.due_at.isoformat()
    )


def drafted(
    incident: Incident, fact: f.UpdateDrafted, at: datetime, actor: str
) -> Iterable[Effect]:
    to = whom_to_remind(incident, owner_of_updates(incident, fact.audience), Stage.OWNER)
    yield remind(
        incident, f"draft/{fact.audience}/{incident.seq + 1}", to, "draft", audience=fact.audience,
        text=fact.text,
    )  # fmt: skip


def compose(incident: Incident, audience: Audience, variant: str, draft: bool = False) -> Effect:
    """Have one of our own texts written.

    Args:
        variant: initial, final or reopened.
        draft: whether it waits for a person to publish it.
    """
    return Effect(
        key=f"{incident.id}/update/{audience}/{variant}/{incident.seq + 1}",
        kind="compose_update",
        input={"audience": audience, "variant": variant, "draft": draft},
    )


def confirmed(incident: Incident, fact: f.Confirmed, at: datetime, actor: str) -> Iterable[Effect]:
    if not incident.is_open:
        return
    if not incident.has_published(Audience.INTERNAL):
        yield compose(incident, Audience.INTERNAL, "initial")
    is_heard = incident.policy.hears(incident.severity, Audience.EXTERNAL)
    if is_heard and not incident.has_published(Audience.EXTERNAL):
        # The name of a service that is not public is not for the outside: a person decides.
        is_automatic = incident.policy.external == "auto" and incident.policy.public
        yield compose(incident, Audience.EXTERNAL, "initial", draft=not is_automatic)


def published(
    incident: Incident, fact: f.UpdatePublished, at: datetime, actor: str
) -> Iterable[Effect]:
    is_internal = fact.audience is Audience.INTERNAL
    yield announce(
        incident,
        "send_final" if fact.variant == "final" else "publish_update",
        f"update/{fact.audience}/{len(incident.updates)}",
        Purpose.INTERNAL_UPDATE if is_internal else Purpose.EXTERNAL_UPDATE,
        f"{fact.audience}_update",
        recipients_of(incident, fact),
        number=len(incident.updates),
        at=at.isoformat(),
        text=fact.text,
        status=fact.status,
        variant=fact.variant,
        by=fact.by,
        next_update_at=fact.next_update_at.isoformat() if fact.next_update_at else None,
        **({"approved": True} if fact.approved_by else {}),
    )


def proposed(
    incident: Incident, fact: f.UpdateProposed | f.ApprovalDue, at: datetime, actor: str
) -> Iterable[Effect]:
    proposal = next((one for one in incident.proposals if one.id == fact.update), None)
    if proposal is None:
        return
    is_again = isinstance(fact, f.ApprovalDue)
    yield remind(
        incident,
        f"approve/{fact.update}" + ("/again" if is_again else ""),
        readers(incident, proposal.audience, proposal.by, is_again=is_again),
        "approve",
        audience=proposal.audience,
        update=proposal.id,
        text=proposal.text,
        by=proposal.by,
    )


def held(incident: Incident, fact: f.MessageHeld, at: datetime, actor: str) -> Iterable[Effect]:
    """Whoever owes the outside its updates looks at the place and says what stands there."""
    to = whom_to_remind(incident, owner_of_updates(incident, Audience.EXTERNAL), Stage.OWNER)
    yield remind(
        incident, f"held/{fact.message}", to, "held", message=fact.message, what=fact.what,
        channel=fact.channel, recipient=fact.recipient, detail=fact.detail,
        text=str((fact.announcement.get("context") or {}).get("text") or ""),
    )  # fmt: skip


def released(
    incident: Incident, fact: f.MessageReleased, at: datetime, actor: str
) -> Iterable[Effect]:
    """Under a key of its own: what is noted of the first attempt stands, and holds nothing up."""
    if fact.verdict is not Verdict.SEND_AGAIN:
        return
    key = f"{fact.announcement['key']}/again-{fact.message}"
    announcement = Announcement.model_validate(
        fact.announcement | {"key": key, "only": [fact.recipient], "settled": []}
    )
    yield Effect(key=key, kind=fact.kind, input=announcement.model_dump(mode="json"))

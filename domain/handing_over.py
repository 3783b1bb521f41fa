"""Later pages of an incident, on their way through the entity of their person and back.

The wish to page stays with the incident until the entity has said what became of it. Without a word in
time the incident pages by itself: a duplicate beats a miss.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from domain.aggregate import Effect, Fact
from domain.bundling import HandedPage, PagingLimits
from domain.facts.bundling import PagedDirectly, PageThrottled
from domain.facts.communication import MessageFailed, MessageSent
from domain.facts.deliveries import PageSent
from domain.incident import Incident
from domain.messages import PageText, Purpose, SendPage
from domain.page_outcomes import page_attempted
from domain.person_pages import LEFT, PageOutcome

PATIENCE = timedelta(seconds=25)
"""Without a word for so long the incident pages by itself, so that the page leaves within 30 s."""
HANDED_KEPT = 200


def goes_through_person(incident: Incident, effect: Effect) -> bool:
    """Whether a page may wait a moment for others: never the first of its page run to its person.

    A run begins with the incident, with a severity that becomes major, and with whoever calls somebody
    in: that is now. A late one may wait, once anybody has been paged: after an outage each person gets
    one message.
    """
    data = effect.input
    if effect.attempt > 0 or data.get("direct") or not incident.reached:
        return False
    run = incident.run(data["run"])
    reached = run.reached if run is not None else incident.reached
    return data["person"] in reached or bool(data.get("late"))


def handed_page(incident: Incident, effect: Effect, page: SendPage, now: datetime) -> HandedPage:
    """What the entity of the person gets."""
    data, limits = effect.input, incident.policy.limits
    run = incident.run(data["run"])
    paged = run.paged_now(data["person"], data["round"], data["step"]) if run else None
    return HandedPage(
        page=page,
        priority=incident.priority,
        raised_at=incident.raised_at,
        summary=incident.summary[:200],
        service_name=incident.policy.service_name,
        url=incident.url,
        late=bool(data.get("late")),
        at_once=paged is not None and bool(paged.failed or paged.failing),
        handed_at=now,
        limits=PagingLimits(window=limits.bundle_window, throttles=limits.throttles),
    )


def was_handed(effect: Effect) -> bool:
    """Whether the entity has it, as far as the incident knows."""
    return bool(effect.input.get("handed")) and not effect.input.get("direct")


def hand_over(incident: Incident, effect: Effect, now: datetime) -> None:
    """The entity was given the page: it is not wanted from here until it should have said something."""
    text = PageText(subject=effect.input["text"]["subject"], text="")
    kept = effect.input | {"text": text.model_dump()}
    incident.handed[effect.key] = effect.model_copy(update={"input": kept})
    while len(incident.handed) > HANDED_KEPT:
        del incident.handed[next(iter(incident.handed))]
    effect.input["handed"] = True
    effect.next_try = now + PATIENCE


def go_directly(effect: Effect, why: str) -> Fact:
    """The incident pages by itself."""
    effect.input["direct"] = True
    effect.next_try = None
    return PagedDirectly(**_about(effect), why=why)


def outcome_heard(incident: Incident, outcome: PageOutcome, now: datetime) -> list[Fact]:
    """The entity says that a page waits, or what became of it; what was said before counts once."""
    held = incident.handed.get(outcome.key)
    if held is None:
        return []
    effect = incident.effects.get(outcome.key)
    waits = effect if effect is not None and was_handed(effect) else None
    if outcome.holds_until is not None and waits is not None:
        waits.next_try = outcome.holds_until + PATIENCE
    if outcome.delivery is None:
        return _waiting(outcome, held) if waits is not None else []
    has_left = outcome.delivery.state in LEFT
    if outcome.holds_until is None:
        del incident.handed[outcome.key]
    if effect is not None and waits is None and not has_left:
        return []  # it goes directly by now, and that attempt tells for itself
    done = page_attempted(incident, effect or held, outcome.delivery, outcome.attempt, now)
    if effect is not None and (has_left or outcome.holds_until is None or done.retry_at is None):
        incident.settle(outcome.key)
    return [
        fact.model_copy(update={"together_with": outcome.together_with})
        if isinstance(fact, PageSent)
        else fact
        for fact in done.facts
    ]


def is_of_rank(incident: Incident, outcome: PageOutcome) -> bool:
    """Whether it is about the word of a new order, which is no page."""
    return outcome.key.startswith(f"{incident.id}/rank/")


def rank_notice_told(outcome: PageOutcome) -> list[Fact]:
    """What became of the word that another incident goes first."""
    delivery = outcome.delivery
    if delivery is None:
        return []
    what = "Word that the order has changed"
    if delivery.state in LEFT:
        return [MessageSent(purpose=Purpose.PAGE_UPDATE, what=what, deliveries=[delivery])]
    return [
        MessageFailed(
            purpose=Purpose.PAGE_UPDATE, what=what, will_retry=False, deliveries=[delivery]
        )
    ]


def withdrawals(incident: Incident) -> Iterable[Effect]:
    """For each page that the entity has and that nobody wants any more: the wish to take it back."""
    for key, held in incident.handed.items():
        if held.kind == "send_page" and not _is_wanted(incident, key):
            person = held.input["person"]
            yield Effect(
                key=f"{key}/withdraw", kind="withdraw_page", input={"page": key, "person": person}
            )


def withdrawn(incident: Incident, key: str) -> None:
    """The entity was told. If the page was leaving that moment, its outcome is still heard.

    One that was handed over again meanwhile is wanted: the entity keeps it, and so does this.
    """
    held = incident.handed.get(key)
    if held is not None and not _is_wanted(incident, key):
        held.kind = "withdrawn"


def _is_wanted(incident: Incident, key: str) -> bool:
    effect = incident.effects.get(key)
    return effect is not None and was_handed(effect)


def _waiting(outcome: PageOutcome, held: Effect) -> list[Fact]:
    if not outcome.is_throttled or outcome.holds_until is None or held.input.get("throttled"):
        return []
    held.input["throttled"] = True
    return [PageThrottled(**_about(held), until=outcome.holds_until)]


def _about(effect: Effect) -> dict[str, object]:
    names = ("run", "person", "channel", "contact", "round", "step")
    return {name: effect.input[name] for name in names}

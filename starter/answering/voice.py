"""A page on the telephone: what is said, which key means what, and that a mailbox takes nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence

from starter.answering import twilio
from starter.answering.acting import Answering, Outcome, Result
from starter.answering.standing import Kind, Standing
from starter.answering.twilio import Fields
from starter.security import PageRef, ReadToken, TokenState

VIA = "keypress"
TAKE, ESCALATE = "1", "2"
ASKED_AGAIN_AT_MOST = 2
KEYS = "Press 1 to acknowledge. Press 2 to escalate to the next people."
GOODBYE = "Goodbye."
NAMED = 3
"""Other incidents of the same message that are read out."""
_SEVERITY = re.compile(r"SEV-?([0-9])")


async def answer_call(
    answering: Answering, read: ReadToken, fields: Fields, asked: int, action: str
) -> str:
    """TwiML for one turn of the call.

    Args:
        asked: how often the keys were explained again.
        action: where the next key is posted, without a query.
    """
    page = read.page
    if page is None:
        return twilio.hang_up(f"This call cannot be answered. {GOODBYE}")
    name = spoken(page.incident)
    if twilio.is_machine(fields):
        # Whoever listens to the mailbox later learns what to do; nobody has taken anything.
        standing = await answering.standing(page)
        return twilio.hang_up(f"{about(standing)} A mailbox acknowledges nothing. {GOODBYE}")
    if read.state is TokenState.EXPIRED:
        return twilio.hang_up(
            f"This page of incident {name} is too old to be answered by telephone. Use the command "
            f"line, or reply to a newer page. {GOODBYE}"
        )
    digits = fields.get("Digits", "").strip()
    if digits == TAKE:
        said = _taken(name, await answering.acknowledge(page, VIA))
        return twilio.hang_up(f"{said}{_others(await answering.together(page))} {GOODBYE}")
    if digits == ESCALATE:
        return twilio.hang_up(f"{_escalated(name, await answering.escalate(page, VIA))} {GOODBYE}")
    return await _ask(answering, page, bool(digits), asked, action)


async def _ask(
    answering: Answering, page: PageRef, has_digits: bool, asked: int, action: str
) -> str:
    if asked >= ASKED_AGAIN_AT_MOST:
        return twilio.hang_up(
            f"Incident {spoken(page.incident)} is not acknowledged. The next person will be paged. "
            f"{GOODBYE}"
        )
    standing = await answering.standing(page)
    if standing.kind is not Kind.OPEN:
        return twilio.hang_up(f"{_why_not(standing)} {GOODBYE}")
    begin = "That key means nothing here. " if has_digits else ""
    return twilio.ask(f"{begin}{about(standing)} {KEYS}", f"{action}?again={asked + 1}")


def about(standing: Standing) -> str:
    """The incident in a sentence or two, to be read out."""
    view = standing.view
    name = spoken(standing.page.incident)
    if not view:
        return f"You are paged for incident {name}."
    severity = _SEVERITY.sub(r"severity \1", str(view.get("severity", "")))
    return f"You are paged for incident {name}, {severity}: {view.get('summary', '')}."


def spoken(incident_id: str) -> str:
    """An id as a voice reads it: `checkout 17`."""
    return incident_id.replace("-", " ")


def _taken(name: str, result: Result) -> str:
    match result.outcome:
        case Outcome.DONE:
            return f"Acknowledged. You have incident {name}."
        case Outcome.ACCEPTED:
            return f"Your acknowledgement of incident {name} is kept, and is recorded in a moment."
        case _:
            return _failed(name, result)


def _others(pages: Sequence[PageRef]) -> str:
    """One key takes one incident: nobody may believe to have taken those that were only counted."""
    if not pages:
        return ""
    named = ", ".join(spoken(page.incident) for page in pages[:NAMED])
    more = f" and {len(pages) - NAMED} more" if len(pages) > NAMED else ""
    return f" Not acknowledged by this: {named}{more}."


def _escalated(name: str, result: Result) -> str:
    match result.outcome:
        case Outcome.DONE | Outcome.ACCEPTED:
            return f"Incident {name} is escalated. The next people are paged now."
        case _:
            return _failed(name, result)


def _failed(name: str, result: Result) -> str:
    match result.outcome:
        case Outcome.UNAVAILABLE:
            return f"Tocsin could not keep your answer. Incident {name} is not acknowledged."
        case Outcome.REFUSED:
            return f"Incident {name} does not take this now."
        case _:
            return _why_not(result.standing)


def _why_not(standing: Standing) -> str:
    name = spoken(standing.page.incident)
    match standing.kind:
        case Kind.YOURS:
            return f"You have already acknowledged incident {name}."
        case Kind.TAKEN:
            return f"Incident {name} is already acknowledged by {standing.by}."
        case Kind.FOREIGN:
            return f"You cannot answer for incident {name}."
        case _:
            return f"Nobody is asked to acknowledge incident {name} any more."

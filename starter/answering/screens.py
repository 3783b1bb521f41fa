"""What the answer page says: one screen for each way in which a page can stand, and what to do instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starter.answering.acting import ESCALATE, Outcome, Result
from starter.answering.standing import Kind, Standing
from starter.security import PageRef, TokenState
from templates.filters import when


@dataclass(frozen=True)
class Screen:
    """One page for a person: its status, its words, its buttons."""

    status: int
    headline: str
    text: str = ""
    advice: str = ""
    """A command that does what this page cannot."""
    good: bool = False
    can_acknowledge: bool = False
    can_escalate: bool = False
    asks_for_confirmation: bool = False


def of_token(state: TokenState, page: PageRef | None) -> Screen:
    """A link that opens nothing any more, or never did."""
    if state is TokenState.EXPIRED and page is not None:
        return Screen(
            410,
            "This link has expired",
            f"A page can be answered by its link for 30 minutes. Nothing was changed on {page.incident}. "
            "Answer a newer page, or use the command line.",
            _command(page),
        )
    return Screen(
        403,
        "This link is not valid",
        "It may have been cut off or changed on its way. Nothing was changed. Open the link from the "
        "message itself, or use the command line.",
        "tocsin list, then tocsin ack ID",
    )


def of_standing(standing: Standing) -> Screen:
    """The page as it is opened: nothing has been done yet."""
    page = standing.page
    match standing.kind:
        case Kind.OPEN:
            return Screen(
                200,
                "You are paged",
                "Opening this page changes nothing. Acknowledge to take the incident."
                if standing.view
                else "The incident cannot be shown right now, but you can answer.",
                can_acknowledge=True,
                can_escalate=True,
            )
        case Kind.YOURS:
            return _yours(standing)
        case Kind.TAKEN:
            return Screen(
                409,
                f"{standing.by} has acknowledged{_at(standing)}",
                "You are not needed for this page any more. To work on the incident all the same:",
                f"tocsin join {page.incident} --as {page.person}",
                good=True,
            )
        case Kind.ENDED:
            return Screen(
                409,
                "This page is over",
                f"Nobody is asked to acknowledge it any more: {standing.why}{_at(standing)}. Nothing was "
                "changed. If it is still needed:",
                _command(page),
                good=True,
            )
        case _:
            return Screen(
                403, "This page is not yours to answer", f"{standing.why}. Nothing was changed.",
                _command(page),
            )  # fmt: skip


def of_result(action: str, result: Result) -> Screen:
    """What came of pressing a button."""
    page = result.standing.page
    match result.outcome:
        case Outcome.DONE if action == ESCALATE:
            return Screen(
                200, "Escalated", f"Paged now: {result.detail}. The page stays yours until somebody "
                "acknowledges.", good=True, can_acknowledge=result.standing.kind is Kind.OPEN,
            )  # fmt: skip
        case Outcome.DONE:
            return Screen(200, "Acknowledged", f"You have {page.incident}.", good=True)
        case Outcome.ACCEPTED:
            return Screen(
                202, "Your answer is kept",
                f"It is recorded on {page.incident} as soon as a worker is up. Nothing else is needed.",
                good=True,
            )  # fmt: skip
        case Outcome.UNAVAILABLE:
            return Screen(
                503, "Not done: Tocsin could not keep your answer",
                f"{page.incident} is NOT acknowledged by this. Press again in a moment, or use the command "
                "line.", _command(page), can_acknowledge=True, can_escalate=True,
            )  # fmt: skip
        case Outcome.REFUSED:
            return Screen(409, "Not done", f"{result.detail}.", _command(page))
        case Outcome.FOREIGN if result.standing.kind is not Kind.FOREIGN:
            return Screen(403, "This page is not yours to answer", f"{result.detail}.")
        case _:
            return of_standing(result.standing)


def of_results(results: Sequence[Result]) -> Screen:
    """What came of acknowledging every page of a message, in one line for each."""
    lines = [f"{result.standing.page.incident}: {_in_short(result)}." for result in results]
    found = {result.outcome for result in results}
    lost = Outcome.UNAVAILABLE in found
    if lost:
        head, status = "Not all done: Tocsin could not keep every answer", 503
    elif Outcome.ACCEPTED in found:
        head, status = "Your answers are kept", 202
    else:
        head, status = "Acknowledged", 200
    return Screen(status, head, " ".join(lines), good=not lost, can_acknowledge=lost)


def _in_short(result: Result) -> str:
    standing = result.standing
    match result.outcome:
        case Outcome.DONE:
            return "you have it"
        case Outcome.ACCEPTED:
            return "recorded as soon as a worker is up"
        case Outcome.YOURS:
            return "you had it already"
        case Outcome.TAKEN:
            return f"{standing.by} has it"
        case Outcome.ENDED:
            return f"over, {standing.why}"
        case Outcome.UNAVAILABLE:
            return "NOT acknowledged, press again"
        case _:
            return f"not acknowledged, {result.detail or standing.why}"


def confirmation(standing: Standing) -> Screen:
    """Asked before an escalation: it wakes other people."""
    return Screen(
        200, "Escalate this page?",
        "The next people of the escalation policy are paged now, whatever the hour.",
        asks_for_confirmation=True,
    ) if standing.kind in (Kind.OPEN, Kind.YOURS) else of_standing(standing)  # fmt: skip


TOO_MANY = Screen(
    429,
    "Too many requests",
    "This link was used too often within a minute. Nothing was changed by this one. Wait a minute, or "
    "use the command line.",
    "tocsin ack ID",
)
UNKNOWN_ACTION = Screen(422, "Nothing was changed", "There is no button of that name on this page.")


def _yours(standing: Standing) -> Screen:
    return Screen(
        200,
        f"Already acknowledged by you{_at(standing)}",
        f"You have {standing.page.incident}. Nothing more was changed.",
        good=True,
        can_escalate=True,
    )


def _command(page: PageRef) -> str:
    return f"tocsin ack {page.incident} --as {page.person}"


def _at(standing: Standing) -> str:
    return f" at {when(standing.at)}" if standing.at else ""

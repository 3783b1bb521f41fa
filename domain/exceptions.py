"""What people change in a schedule for a while: overrides, and temporary schedules that replace it all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from domain.layers import Answer, Duty, until
from domain.policy.rota import Override, Temporary
from domain.wall_clock import Span, instant_of, span_around


def span_of(timed: Override | Temporary, zone: ZoneInfo) -> Span:
    """When it holds, as instants."""
    return Span(instant_of(timed.start, zone), instant_of(timed.end, zone))


def contradict(first: Override, second: Override) -> bool:
    """Whether two overrides both decide over one person's turn, or over whoever is on, at one time."""
    if first.also or second.also or not (first.start < second.end and second.start < first.end):
        return False
    return None in (first.instead_of, second.instead_of) or first.instead_of == second.instead_of


def temporary_at(
    temporaries: Sequence[Temporary], zone: ZoneInfo, at: datetime
) -> tuple[Answer | None, Span]:
    """What the temporary schedules say; the later in the list wins where several are active.

    Returns:
        The answer, None where none is active; and the time around `at` in which none is.
    """
    outside = Span()
    for temporary in reversed(temporaries):
        window = span_of(temporary, zone)
        piece, is_active = span_around([window], at)
        outside = outside.within(piece)
        if is_active:
            return _shift_in(temporary, zone, at).within(outside), outside
    return None, outside


def _shift_in(temporary: Temporary, zone: ZoneInfo, at: datetime) -> Answer:
    span, end = Span(), instant_of(temporary.end, zone)
    duties: dict[str, Duty] = {}
    for shift in temporary.shifts:
        piece, is_active = span_around(
            [Span(instant_of(shift.start, zone), instant_of(shift.end, zone))], at
        )
        span = span.within(piece)
        if is_active:
            why = f"temporary schedule, shift of {shift.person}{until(min(piece.until, end), zone)}"
            duties.setdefault(shift.person, Duty(person=shift.person, why=why))
    if not duties:
        return Answer(None, span, f"temporary schedule{until(end, zone)}: nobody has a shift")
    first, *others = duties.values()
    return Answer(first.person, span, first.why, also=tuple(others))


def overridden(
    overrides: Sequence[Override], zone: ZoneInfo, regular: Answer, at: datetime
) -> Answer:
    """What the overrides make of the regular answer; the later in the list has the last word.

    Without `instead_of` an override is for everybody who is regularly on; whom another one has added
    stays beside.
    """
    answer, added_span = regular, Span()
    added: tuple[Duty, ...] = ()
    for override in overrides:
        span = span_of(override, zone)
        piece, is_active = span_around([span], at)
        why = _why(override, span, zone) if is_active else ""
        if override.also or _names_one_of(added, override):
            added_span = added_span.within(piece)
            added = _changed(added, override, why) if is_active else added
        if not override.also:
            answer = _replaced(answer, override, regular, (span, piece), why)
    if not answer.also and not added:
        return answer.within(added_span)
    also = _once_each(answer.person, (*answer.also, *added))
    return replace(answer, span=answer.span.within(added_span), also=also)


def _replaced(
    answer: Answer, override: Override, regular: Answer, spans: tuple[Span, Span], why: str
) -> Answer:
    """The answer after one override that replaces or removes.

    Args:
        spans: the override's own, and the piece of time around now in which it does not change.
        why: what it says while it is active; empty otherwise.
    """
    span, piece = spans
    if not _concerns(override, regular.regular, answer.person):
        if _names_one_of(answer.also, override):
            also = _changed(answer.also, override, why) if why else answer.also
            return replace(answer, span=answer.span.within(piece), also=also)
        # It may concern whoever is regularly on next, where it reaches so far.
        reaches = not span.within(answer.span).is_empty()
        return answer.within(regular.span) if reaches else answer
    if not why:
        return answer.within(piece)
    if override.instead_of is None:
        return Answer(override.person, piece, why)
    piece = piece.within(regular.span).within(answer.span)
    return Answer(override.person, piece, why, also=answer.also)


def _concerns(override: Override, regular: str | None, current: str | None) -> bool:
    """Whether an override would replace who is on.

    `instead_of` means whoever is on without overrides, or by an earlier one, so that a stand-in can
    be replaced too. It never hands back to the regular person: two overrides that replace alice by
    bob and bob by alice are a swap.
    """
    if override.instead_of is None or override.instead_of == regular:
        return True
    hands_back = override.person is not None and override.person == regular
    return override.instead_of == current and not hands_back


def _names_one_of(duties: Sequence[Duty], override: Override) -> bool:
    return override.instead_of is not None and any(
        duty.person == override.instead_of for duty in duties
    )


def _changed(duties: Sequence[Duty], override: Override, why: str) -> tuple[Duty, ...]:
    """Those beside the first with one added, replaced or removed."""
    mine = [Duty(person=override.person, why=why)] if override.person is not None else []
    if override.also:
        return (*duties, *mine)
    changed: list[Duty] = []
    for duty in duties:
        changed += mine if duty.person == override.instead_of else [duty]
    return tuple(changed)


def _once_each(first: str | None, duties: Sequence[Duty]) -> tuple[Duty, ...]:
    """Each person once, with the first reason; nobody who is the first one anyway."""
    others: dict[str, Duty] = {}
    for duty in duties:
        if duty.person != first:
            others.setdefault(duty.person, duty)
    return tuple(others.values())


def _why(override: Override, span: Span, zone: ZoneInfo) -> str:
    """The sentence for an override that applies."""
    if override.also:
        return f"override that adds {override.person}{until(span.until, zone)}"
    who = f"for {override.person}" if override.person is not None else "that removes"
    instead = f" instead of {override.instead_of}" if override.instead_of is not None else ""
    if override.person is None:
        instead = f" {override.instead_of or 'whoever is on'}"
    return f"override {who}{instead}{until(span.until, zone)}"

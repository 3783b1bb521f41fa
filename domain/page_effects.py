"""The wish to page one person over some of their contacts, as effects of the incident."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from domain.aggregate import Effect
from domain.incident import Incident
from domain.messages import PageText
from domain.paged import PagedPerson


def pages(
    incident: Incident, run_id: str, round_: int, step: str, person: str, first: int,
    channels: Sequence[str] = (), text: PageText | None = None, late: bool | None = None,
) -> Iterator[Effect]:  # fmt: skip
    """The contacts of a person that go out now, from the position `first` on.

    Args:
        channels: of the person's plan, where the person has been paged anew since.
        text: what it says; by default what the run's last step said.
        late: by default as the run's last step.
    """
    run = incident.run(run_id)
    if run is None or not run.is_active:
        return
    text = text or run.text
    paged = run.paged_now(person, round_, step)
    if text is None or (paged is not None and paged.is_quiet):
        return
    paged = paged or PagedPerson(person=person, channels=list(channels), tried=first + 1)
    is_late = run.late if late is None else late
    for position in range(first, min(paged.tried, len(paged.channels))):
        place = {"run": run_id, "round": round_, "step": step, "person": person}
        yield _page(incident, place, paged, position, text, run.text_at, is_late)


def _page(
    incident: Incident, place: dict[str, Any], paged: PagedPerson, position: int, text: PageText,
    text_at: datetime | None, late: bool,
) -> Effect:  # fmt: skip
    channel = paged.channels[position]
    number = paged.plan[position].contact if position < len(paged.plan) else position
    key = "/".join(
        [
            incident.id,
            place["run"],
            f"r{place['round']}",
            place["step"],
            place["person"],
            f"{channel}-{position}",
        ]
    )
    data = place | {
        "channels": paged.channels, "contact": position, "number": number, "channel": channel,
        "text": text.model_dump(), "text_at": text_at.isoformat() if text_at else None, "late": late,
    }  # fmt: skip
    return Effect(key=key, kind="send_page", input=data)

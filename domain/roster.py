"""What people change in the schedules at run time: overrides, temporary schedules, contacts switched off.

The workflow `Roster` holds it; a copy in the data folder is laid over the policy wherever that is read,
so that paging needs neither Temporal nor the records for it. What may be changed is `roster_changes.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict

from domain.policy.model import Policy
from domain.policy.person import Person
from domain.policy.rota import Override, Schedule, Temporary

KEPT_AFTER_END = timedelta(days=31)
"""What is over stays for so long: a calendar and the load of a shift look back on it."""
KEPT_RESULTS = 200
RESULT_BYTES = 300_000
MOST_ENTRIES = 2_000
ENTRY_BYTES = 600_000
"""What all entries may hold: Temporal takes no payload over 2 MB."""


class Entry(BaseModel):
    """One override or temporary schedule."""

    model_config = ConfigDict(frozen=True)

    id: str = ""
    schedule: str
    override: Override | None = None
    temporary: Temporary | None = None
    starts_at: datetime
    ends_at: datetime
    actor: str
    made_at: datetime
    swap: str | None = None
    """Id of the first entry of the swap that it is part of; one goes with the other."""

    def people(self) -> set[str]:
        """Everybody whom it names."""
        if self.override is not None:
            return {self.override.person, self.override.instead_of} - {None}  # type: ignore[return-value]
        return {shift.person for shift in self.temporary.shifts} if self.temporary else set()

    def said(self) -> str:
        """`o7 (bob for alice, 2026-12-24 18:00 to 2026-12-26 09:00, made by carol)`."""
        timed = self.override or self.temporary
        when = f"{timed.start:%Y-%m-%d %H:%M} to {timed.end:%Y-%m-%d %H:%M}" if timed else ""
        return f"{self.id} ({self.what()}, {when}, made by {self.actor})"

    def what(self) -> str:
        """`bob for alice`."""
        return said_of(self.override) if self.override is not None else "temporary schedule"


class ContactSwitch(BaseModel):
    """A person's contacts of one channel, switched on or off."""

    model_config = ConfigDict(frozen=True)

    person: str
    channel: str
    enabled: bool
    actor: str
    made_at: datetime


class RosterCopy(BaseModel):
    """What the copy in the data folder holds."""

    version: int = 0
    """Counts the changes: an older copy never replaces a newer one."""
    next_number: int = 1
    entries: list[Entry] = []
    contacts: list[ContactSwitch] = []


class RosterState(RosterCopy):
    """What the workflow carries."""

    results: dict[str, dict[str, Any]] = {}
    """Answers by idempotency key, the oldest first."""

    def copy_of(self) -> RosterCopy:
        """What goes into the data folder."""
        return RosterCopy.model_validate(self.model_dump(exclude={"results"}))

    def add(self, entries: Iterable[Entry]) -> list[Entry]:
        """Take new entries in under fresh ids; several at once are one swap."""
        added: list[Entry] = []
        for entry in entries:
            letter = "o" if entry.override is not None else "t"
            numbered = entry.model_copy(update={"id": f"{letter}{self.next_number}"})
            self.next_number += 1
            added.append(numbered)
        if len(added) > 1:
            added = [one.model_copy(update={"swap": added[0].id}) for one in added]
        self.entries += added
        return added

    def remove(self, ids: Iterable[str]) -> None:
        """Take entries out."""
        gone = set(ids)
        self.entries = [entry for entry in self.entries if entry.id not in gone]

    def switch(self, switch: ContactSwitch) -> None:
        """Remember the last word on a person's channel."""
        self.contacts = [
            one
            for one in self.contacts
            if (one.person, one.channel) != (switch.person, switch.channel)
        ] + [switch]

    def forget_expired(self, now: datetime) -> None:
        """Drop what has been over for a while."""
        self.entries = [one for one in self.entries if one.ends_at + KEPT_AFTER_END > now]

    def remember(self, key: str, result: dict[str, Any]) -> None:
        """Keep an answer under its key: the last ones, and no more than a workflow can carry."""
        self.results[key] = result
        sizes = {known: len(json.dumps(answer)) for known, answer in self.results.items()}
        while len(self.results) > 1 and (
            len(self.results) > KEPT_RESULTS or sum(sizes.values()) > RESULT_BYTES
        ):
            oldest = next(iter(self.results))
            self.results.pop(oldest)
            sizes.pop(oldest)


def said_of(override: Override) -> str:
    """`bob for alice`, `bob for whoever is on`, `bob added`, `alice taken off`."""
    if override.also:
        return f"{override.person} added"
    if override.person is None:
        return f"{override.instead_of or 'whoever is on'} taken off"
    return f"{override.person} for {override.instead_of or 'whoever is on'}"


def with_entries(schedule: Schedule, entries: Iterable[Entry], people: Iterable[str]) -> Schedule:
    """The schedule with run-time entries after its own: later ones are newer wishes.

    One that names somebody who is gone is left out, so that the regular turn is paged instead; of a
    temporary schedule only that person's shifts are.
    """
    known = set(people)
    overrides, temporary = list(schedule.overrides), list(schedule.temporary)
    for entry in entries:
        if entry.override is not None and entry.people() <= known:
            overrides.append(entry.override)
        if entry.temporary is not None:
            kept = [shift for shift in entry.temporary.shifts if shift.person in known]
            if kept or not entry.temporary.shifts:
                temporary.append(entry.temporary.model_copy(update={"shifts": kept}))
    return schedule.model_copy(update={"overrides": overrides, "temporary": temporary})


def with_roster(policy: Policy, roster: RosterCopy) -> Policy:
    """The policy with everything that was changed at run time."""
    if not roster.entries and not roster.contacts:
        return policy
    schedules, people = dict(policy.schedules), dict(policy.people)
    for name in {entry.schedule for entry in roster.entries} & schedules.keys():
        mine = [entry for entry in roster.entries if entry.schedule == name]
        schedules[name] = with_entries(schedules[name], mine, policy.people)
    for switch in roster.contacts:
        if switch.person in people:
            people[switch.person] = _switched(people[switch.person], switch)
    return policy.model_copy(update={"schedules": schedules, "people": people})


def _switched(person: Person, switch: ContactSwitch) -> Person:
    contacts = [
        contact.model_copy(update={"enabled": switch.enabled})
        if contact.channel == switch.channel
        else contact
        for contact in person.contacts
    ]
    return person.model_copy(update={"contacts": contacts})

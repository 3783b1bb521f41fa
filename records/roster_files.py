"""What is laid over a policy at run time, as files beside it: the roster's copy, and copies of calendars.

`roster.json` is written for the workflow `Roster`; `overrides.json` is of earlier versions and only read.
A feed's last good text lies in `calendars/`, what it means for each schedule in `calendars.json`. What
cannot be read leaves the last good state in force.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, TypeAdapter

from domain.policy.model import Policy
from domain.policy.rota import CalendarShift, Override
from domain.roster import RosterCopy, with_roster
from records.calendar_feeds import names_for, read_calendar, span_of_feed
from records.shared_files import Stamp, one_writer, replace_file, stamp_of

NOT_READ_YET = "has not been read yet: until then it puts nobody on call"
STRANGERS_KEPT = 20


class FeedCopy(BaseModel):
    """What the last good copy of a feed means for one schedule."""

    source: str
    """Which feed, as `feed_id` names it."""
    is_read: bool = False
    """Whether there is a copy at all."""
    good_at: datetime | None = None
    """Of when the copy is, where it could not be read since."""
    fault: str | None = None
    """Why it could not be read since."""
    shifts: list[CalendarShift] = []
    strangers: list[str] = []
    """Titles of events that name nobody of the policy."""


_OVERRIDES = TypeAdapter(dict[str, list[Override]])
_FEEDS = TypeAdapter(dict[str, FeedCopy])
T = TypeVar("T")


def feed_id(reference: str) -> str:
    """The name of a feed's copy; the address may be secret, and a file's name is none."""
    return hashlib.sha256(reference.encode()).hexdigest()[:16]


class RosterFiles:
    """The files in a policy folder.

    Args:
        folder: `policy` in the data folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.roster_file = folder / "roster.json"
        self.overrides_file = folder / "overrides.json"
        self._feeds_file = folder / "calendars.json"
        self._texts = folder / "calendars"
        self._lock = threading.RLock()
        self._good: dict[Path, Any] = {
            self.roster_file: RosterCopy(), self.overrides_file: {}, self._feeds_file: {}
        }  # fmt: skip

    def stamps(self) -> tuple[Stamp, ...]:
        """What changes whenever one of the files does."""
        files = (self.roster_file, self.overrides_file, self._feeds_file)
        return tuple(stamp_of(file) for file in files)

    # The roster's copy.

    def roster(self) -> RosterCopy:
        """The copy; an empty one where there is none.

        Raises:
            OSError, ValueError: it cannot be read.
        """
        return self._read(self.roster_file, RosterCopy.model_validate_json, RosterCopy())

    def write_roster(self, copy: RosterCopy) -> int:
        """Replace the copy, unless a newer one is there; answer the version that is there then.

        Raises:
            OSError: it cannot be written. Retried.
        """
        with self._lock, one_writer(self._folder):
            try:
                present = self.roster().version
            except ValueError:
                present = 0
                # Somebody may want to look at it: it was not written by us.
                replace_file(self._folder / "roster.damaged.json", self.roster_file.read_bytes())
            if present > copy.version:
                return present
            replace_file(self.roster_file, copy.model_dump_json(by_alias=True, indent=1))
            return copy.version

    def overrides(self) -> dict[str, list[Override]]:
        """Overrides that an earlier version made at run time, by schedule.

        Raises:
            OSError, ValueError: they cannot be read.
        """
        return self._read(self.overrides_file, _OVERRIDES.validate_json, {})

    # Calendars.

    def feeds(self) -> dict[str, FeedCopy]:
        """What the copies of feeds mean, by schedule.

        Raises:
            OSError, ValueError: they cannot be read.
        """
        return self._read(self._feeds_file, _FEEDS.validate_json, {})

    def keep_text(self, reference: str, data: bytes) -> None:
        """Keep a feed that was read well.

        Raises:
            OSError: it cannot be written.
        """
        with self._lock, one_writer(self._folder):
            self._texts.mkdir(exist_ok=True)
            replace_file(self._texts / f"{feed_id(reference)}.ics", data)

    def derive(self, policy: Policy, at: datetime, faults: Mapping[str, str] | None = None) -> None:
        """Work out what the copies of feeds mean for a policy's schedules; write it where it is news.

        Args:
            at: the time now, in UTC.
            faults: why a feed could not be read just now, by schedule; left out: as it was.

        Raises:
            OSError: it cannot be written.
        """
        with self._lock:
            before = self._usable(self._feeds_file, self.feeds, [])
            found: dict[str, FeedCopy] = {}
            for name, schedule in policy.schedules.items():
                if schedule.calendar is None or schedule.calendar.url is None:
                    continue
                old = before.get(name)
                fault = (old.fault if old else None) if faults is None else faults.get(name)
                found[name] = self._copy_for(policy, name, at, fault)
            if found == before or not (found or before):
                return
            with one_writer(self._folder):
                replace_file(self._feeds_file, _FEEDS.dump_json(found))

    def _copy_for(self, policy: Policy, name: str, at: datetime, fault: str | None) -> FeedCopy:
        schedule = policy.schedules[name]
        reference = (schedule.calendar.url if schedule.calendar else None) or ""
        source = feed_id(reference)
        file = self._texts / f"{source}.ics"
        try:
            good_at = datetime.fromtimestamp(int(file.stat().st_mtime), UTC)
            names = names_for(policy, schedule.calendar.people if schedule.calendar else {})
            zone = ZoneInfo(schedule.timezone)
            read = read_calendar(file.read_bytes(), names, zone, *span_of_feed(_day_of(at)))
        except FileNotFoundError:
            return FeedCopy(source=source, fault=fault)
        except (OSError, ValueError) as error:
            return FeedCopy(source=source, fault=f"its copy cannot be read: {error}")
        return FeedCopy(
            source=source,
            is_read=True,
            # Only what failed needs to say of when the copy is; otherwise it would always be news.
            good_at=good_at if fault else None,
            fault=fault,
            shifts=read.shifts,
            strangers=read.strangers[:STRANGERS_KEPT],
        )

    # Laying it over.

    def with_calendars(self, policy: Policy, faults: list[str] | None = None) -> Policy:
        """The policy with what its feeds hold; one without a copy says so."""
        faults = [] if faults is None else faults
        if not any(one.calendar and one.calendar.url for one in policy.schedules.values()):
            return policy
        feeds = self._usable(self._feeds_file, self.feeds, faults)
        schedules = dict(policy.schedules)
        for name, schedule in policy.schedules.items():
            calendar = schedule.calendar
            if calendar is None or calendar.url is None:
                continue
            copy = feeds.get(name)
            if copy is None or copy.source != feed_id(calendar.url):
                copy = FeedCopy(source="")
            said = {"shifts": copy.shifts, "fault": _fault(copy)}
            filled = calendar.model_copy(update=said)
            schedules[name] = schedule.model_copy(update={"calendar": filled})
        return policy.model_copy(update={"schedules": schedules})

    def with_overrides(self, policy: Policy, faults: list[str]) -> Policy:
        """The policy with calendars and what an earlier version had made: all but the roster."""
        made = self._usable(self.overrides_file, self.overrides, faults)
        schedules = dict(policy.schedules)
        for key in made.keys() & schedules.keys():
            known = {None, *policy.people}
            usable = [one for one in made[key] if {one.person, one.instead_of} <= known]
            overrides = [*schedules[key].overrides, *usable]
            schedules[key] = schedules[key].model_copy(update={"overrides": overrides})
        laid = policy.model_copy(update={"schedules": schedules}) if made else policy
        return self.with_calendars(laid, faults)

    def laid_over(self, policy: Policy, faults: list[str]) -> Policy:
        """The policy with everything; what cannot be read is told in `faults`."""
        roster = self._usable(self.roster_file, self.roster, faults)
        return with_roster(self.with_overrides(policy, faults), roster)

    def _read(self, file: Path, parse: Callable[[bytes], T], empty: T) -> T:
        try:
            found = parse(file.read_bytes())
        except FileNotFoundError:
            found = empty
        self._good[file] = found
        return found

    def _usable(self, file: Path, read: Callable[[], T], faults: list[str]) -> T:
        """What a file holds, or what it held when it could last be read."""
        try:
            return read()
        except (OSError, ValueError) as error:
            faults.append(f"{file} is unreadable: {error}")
            kept: T = self._good[file]
            return kept


def _fault(copy: FeedCopy) -> str | None:
    """What a person should know of a feed; None when all is well."""
    if not copy.is_read:
        return f"has never been read: {copy.fault}" if copy.fault else NOT_READ_YET
    if copy.fault is None:
        return None
    when = f"copy of {copy.good_at:%Y-%m-%d %H:%M} UTC, " if copy.good_at else ""
    return f"{when}not read since: {copy.fault}"


def _day_of(at: datetime) -> datetime:
    """Midnight UTC: within a day the same text means the same shifts."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)

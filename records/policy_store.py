"""Which policy is in force: its versions as files, a pointer to the current one, what is laid over it.

Every version stays, since incidents pin the one that they began with. API and worker are separate
processes and share nothing but this folder: whoever adopts a version replaces the pointer, and the
others see that at their next look. Reading what people wrote is `policy_file.py`; what changes at run
time, overrides and calendars, is `roster_files.py`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from domain.errors import PolicyError, Problem, UnknownNameError
from domain.policy.model import Policy
from domain.roster import RosterCopy
from records.policy_file import LoadedPolicy, canonical_json, read_policy
from records.roster_files import RosterFiles
from records.shared_files import Stamp, one_writer, replace_file, stamp_of

VERSION = re.compile(r"[0-9a-f]{12}")
KEPT_VERSIONS = 32


class PolicyStore:
    """The policies under a data folder.

    Args:
        data_dir: the folder that API and worker share.
    """

    def __init__(self, data_dir: Path) -> None:
        self._folder = Path(data_dir) / "policy"
        self._pointer = self._folder / "current"
        self.files = RosterFiles(self._folder)
        """What is laid over the policy at run time."""
        self._lock = threading.RLock()
        self._versions: dict[str, Policy] = {}
        self._current: tuple[str, Policy] | None = None
        self._seen: tuple[Stamp, ...] | None = None
        self.fault: str | None = None
        """Why the last good policy is kept instead of what the folder holds; None when all is well."""

    def adopt(self, loaded: LoadedPolicy) -> str:
        """Make a policy the current one and answer its version."""
        with self._writing():
            file = self._file(loaded.version)
            replace_file(file, canonical_json(loaded.policy))
            replace_file(self._pointer, loaded.version + "\n")
        self.files.derive(loaded.policy, datetime.now(UTC))
        return loaded.version

    def reload(self, path: Path, **options: Any) -> LoadedPolicy:
        """Read a policy and adopt it if it is good.

        Args:
            path: a file or folder.
            options: those of `read_policy`.

        Raises:
            PolicyError: with every mistake; the current policy stays. Not retried.
        """
        loaded = read_policy(path, **{"files": self.files, **options})
        self.adopt(loaded)
        strays = self._strays(loaded.policy)
        return replace(loaded, warnings=[*loaded.warnings, *strays])

    def current(self) -> tuple[str, Policy]:
        """The version in force and its policy, with everything that was changed at run time.

        Four `stat` calls when nothing has changed. What cannot be read leaves the last good policy
        in force and is told in `fault`.

        Raises:
            PolicyError: there is no policy, and never was one in this process.
        """
        with self._lock:
            stamp = (stamp_of(self._pointer), *self.files.stamps())
            if self._current is not None and stamp == self._seen:
                return self._current
            try:
                version = self._pointer.read_text(encoding="utf-8").strip()
                policy = self.version(version)
            except (OSError, ValueError, UnknownNameError) as error:
                # The stamp is not kept: a fault that leaves no trace in it, such as one of
                # permissions, must heal at the next look.
                self._seen, self.fault = (
                    None,
                    f"the policy in {self._folder} is unreadable: {error}",
                )
                if self._current is None:
                    raise PolicyError([self._absent()]) from error
                return self._current
            faults: list[str] = []
            self._current = (version, self.files.laid_over(policy, faults))
            self._seen = None if faults else stamp
            self.fault = "; ".join(faults) or None
            return self._current

    def base(self) -> Policy:
        """The policy in force without what the roster holds: against this the roster judges a change.

        Raises: as `current`.
        """
        version, _ = self.current()
        return self.files.with_overrides(self.version(version), [])

    def version(self, version: str) -> Policy:
        """A version as it was adopted, without overrides made at run time.

        Raises:
            UnknownNameError: there is no such version. Not retried.
            ValueError: its file is damaged.
            OSError: its file cannot be read.
        """
        with self._lock:
            if version not in self._versions:
                if len(self._versions) >= KEPT_VERSIONS:
                    self._versions.pop(next(iter(self._versions)))
                self._versions[version] = self._read(version)
            return self._versions[version]

    def _read(self, version: str) -> Policy:
        if not VERSION.fullmatch(version) or not self._file(version).exists():
            raise UnknownNameError("policy version", version[:40], (), "version")
        return Policy.model_validate_json(self._file(version).read_bytes())

    def _strays(self, policy: Policy) -> Iterator[Problem]:
        """What was changed at run time for a schedule or person that a new policy does not have."""
        try:
            made: list[tuple[str, set[str]]] = [
                (
                    schedule,
                    {name for one in listed for name in (one.person, one.instead_of) if name},
                )
                for schedule, listed in self.files.overrides().items()
            ]
            roster: RosterCopy = self.files.roster()
        except (OSError, ValueError) as error:
            yield self._unwise("overrides", f"made at run time cannot be read: {error}")
            return
        now = datetime.now(UTC)
        made += [(one.schedule, one.people()) for one in roster.entries if one.ends_at > now]
        for schedule in dict.fromkeys(name for name, _ in made):
            if schedule not in policy.schedules:
                yield self._unwise(f"schedules.{schedule}", "has overrides but is gone")
                continue
            people = {name for where, named in made for name in named if where == schedule}
            for person in sorted(people - set(policy.people)):
                detail = f"has an override made at run time for {person!r}, who is gone"
                yield self._unwise(f"schedules.{schedule}.overrides", detail)

    def _unwise(self, where: str, detail: str) -> Problem:
        return Problem(where=where, detail=detail, file=str(self.files.roster_file), warning=True)

    def _absent(self) -> Problem:
        return Problem(
            where="policy", detail=self.fault or "there is none", file=str(self._pointer)
        )

    def _file(self, version: str) -> Path:
        return self._folder / f"{version}.json"

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One writer at a time, among threads and among processes."""
        with self._lock, one_writer(self._folder):
            yield

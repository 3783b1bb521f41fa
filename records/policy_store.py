"""Which policy is in force: its versions as files, a pointer to the current one, run-time overrides.

Every version stays, since incidents pin the one that they began with. API and worker are separate
processes and share nothing but this folder: whoever adopts a version replaces the pointer, and the
others see that at their next look. Reading what people wrote is `policy_file.py`.
"""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from domain.errors import CommandError, PolicyError, Problem, UnknownNameError
from domain.names import require_known
from domain.policy.model import Policy
from domain.policy.rota import Override
from records.policy_file import LoadedPolicy, canonical_json, read_policy

VERSION = re.compile(r"[0-9a-f]{12}")
KEPT_VERSIONS = 32
Stamp = tuple[tuple[int, int, int] | None, ...]
_OVERRIDES = TypeAdapter(dict[str, list[Override]])


class PolicyStore:
    """The policies under a data folder.

    Args:
        data_dir: the folder that API and worker share.
    """

    def __init__(self, data_dir: Path) -> None:
        self._folder = Path(data_dir) / "policy"
        self._pointer = self._folder / "current"
        self._overrides = self._folder / "overrides.json"
        self._lock = threading.RLock()
        self._versions: dict[str, Policy] = {}
        self._current: tuple[str, Policy] | None = None
        self._made: dict[str, list[Override]] = {}
        self._seen: Stamp | None = None
        self.fault: str | None = None
        """Why the last good policy is kept instead of what the folder holds; None when all is well."""

    def adopt(self, loaded: LoadedPolicy) -> str:
        """Make a policy the current one and answer its version."""
        with self._writing():
            file = self._file(loaded.version)
            _write(file, canonical_json(loaded.policy))
            _write(self._pointer, loaded.version + "\n")
        return loaded.version

    def reload(self, path: Path, **options: Any) -> LoadedPolicy:
        """Read a policy and adopt it if it is good.

        Args:
            path: a file or folder.
            options: those of `read_policy`.

        Raises:
            PolicyError: with every mistake; the current policy stays. Not retried.
        """
        loaded = read_policy(path, **options)
        self.adopt(loaded)
        strays = self._strays(loaded.policy)
        return replace(loaded, warnings=[*loaded.warnings, *strays])

    def current(self) -> tuple[str, Policy]:
        """The version in force and its policy, overrides made at run time included.

        Two `stat` calls when nothing has changed. What cannot be read leaves the last good policy
        in force and is told in `fault`.

        Raises:
            PolicyError: there is no policy, and never was one in this process.
        """
        with self._lock:
            stamp = (_stamp(self._pointer), _stamp(self._overrides))
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
            self._seen, self.fault = stamp, None
            self._current = (version, _merged(policy, self._usable_overrides()))
            return self._current

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

    def add_override(self, schedule: str, override: Override) -> None:
        """Keep an override made at run time; it is part of `current()` from then on.

        Raises:
            UnknownNameError: the policy lacks the schedule or a person. Not retried.
            CommandError: it ends before it begins. Not retried.
            PolicyError: there is no policy.
        """
        _, policy = self.current()
        require_known("schedule", schedule, policy.schedules)
        for field, person in (("person", override.person), ("instead_of", override.instead_of)):
            if person is not None:
                require_known("person", person, policy.people, field)
        if override.end <= override.start:
            problem = Problem(where="/to", detail="the override ends before it begins")
            raise CommandError("override", [problem])
        with self._writing():
            made = self.made_overrides()
            if override not in made.setdefault(schedule, []):
                made[schedule].append(override)
            _write(self._overrides, _OVERRIDES.dump_json(made, by_alias=True).decode())

    def made_overrides(self) -> dict[str, list[Override]]:
        """The overrides made at run time, by schedule.

        Raises:
            ValueError: their file is damaged.
            OSError: their file cannot be read.
        """
        try:
            return _OVERRIDES.validate_json(self._overrides.read_bytes())
        except FileNotFoundError:
            return {}

    def _usable_overrides(self) -> dict[str, list[Override]]:
        """The overrides, or the last good ones: a damaged file must not stop a page."""
        try:
            self._made = self.made_overrides()
        except (OSError, ValueError) as error:
            self._seen, self.fault = None, f"{self._overrides} is unreadable: {error}"
        return self._made

    def _strays(self, policy: Policy) -> Iterator[Problem]:
        """Overrides made at run time that a new policy has no schedule or person for."""
        try:
            made = self.made_overrides()
        except (OSError, ValueError) as error:
            yield self._unwise("overrides", f"made at run time cannot be read: {error}")
            return
        for schedule, overrides in made.items():
            if schedule not in policy.schedules:
                yield self._unwise(f"schedules.{schedule}", "has overrides but is gone")
                continue
            people = {name for one in overrides for name in (one.person, one.instead_of) if name}
            for person in sorted(people - set(policy.people)):
                detail = f"has an override made at run time for {person!r}, who is gone"
                yield self._unwise(f"schedules.{schedule}.overrides", detail)

    def _unwise(self, where: str, detail: str) -> Problem:
        return Problem(where=where, detail=detail, file=str(self._overrides), warning=True)

    def _absent(self) -> Problem:
        return Problem(
            where="policy", detail=self.fault or "there is none", file=str(self._pointer)
        )

    def _file(self, version: str) -> Path:
        return self._folder / f"{version}.json"

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One writer at a time, among threads and among processes."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._lock, (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _merged(policy: Policy, made: dict[str, list[Override]]) -> Policy:
    """The policy with the overrides made at run time after its own: later ones are newer wishes.

    An override for somebody who is gone is left out, so that the regular turn is paged instead.
    """
    schedules = dict(policy.schedules)
    for key in made.keys() & schedules.keys():
        schedule = schedules[key]
        usable = [
            one for one in made[key] if {one.person, one.instead_of} <= {None, *policy.people}
        ]
        overrides = [*schedule.overrides, *usable]
        schedules[key] = schedule.model_copy(update={"overrides": overrides})
    return policy.model_copy(update={"schedules": schedules})


def _stamp(file: Path) -> tuple[int, int, int] | None:
    """What changes whenever a file is replaced."""
    try:
        status = file.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_ino, status.st_size)


def _write(file: Path, text: str) -> None:
    """Replace a file so that a reader, or the next start after a crash, finds the old or the new."""
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise

"""Reading a policy from a file or a folder: every mistake at once, each with its file and line.

What is a mistake is decided in `domain/policy/check.py`; how YAML text becomes data in
`yaml_tree.py`; which version is in force in `policy_store.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from domain.absences import Absences
from domain.errors import PolicyError, Problem
from domain.on_call import gaps
from domain.policy.check import KNOWN_CONTACT_CHANNELS, find_problems, find_warnings
from domain.policy.model import Policy
from records.calendar_files import calendar_problems, with_calendar_files
from records.expressions import expression_problems
from records.public_holidays import holiday_problems, with_holidays
from records.roster_files import RosterFiles
from records.sample_files import sample_problems
from records.yaml_tree import Tree, read_tree

MAX_FILE_BYTES = 4 * 1024 * 1024
COVERAGE_AHEAD = timedelta(days=14)
NO_FILES = "no-such-folder"
SUFFIXES = (".yaml", ".yml")
Lines = dict[str, tuple[str, int]]


@dataclass(frozen=True)
class LoadedPolicy:
    """A policy that may be adopted, and what it was read from."""

    policy: Policy
    version: str
    warnings: list[Problem] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)
    """The text of each file, by its path."""


def read_policy(
    path: Path,
    *,
    at: datetime | None = None,
    years: range | None = None,
    channels: Iterable[str] = KNOWN_CONTACT_CHANNELS,
    formats: Iterable[str] | None = None,
    files: RosterFiles | None = None,
    with_samples: bool = False,
    texts: Callable[[Policy], Iterable[Problem]] | None = None,
) -> LoadedPolicy:
    """Read, check and complete a policy.

    Args:
        path: a file, or a folder of which every YAML file is read.
        at: the start of the two weeks that are looked at for coverage; left out: now.
        years: of which public holidays are filled in; left out: last year to two years ahead.
        channels: the channels that a contact may name.
        formats: the intake formats that an integration may name; None takes any.
        files: where the copies of calendar feeds are, so that coverage counts them.
        with_samples: whether the samples of integrations have to be there. Only for whoever checks a
            policy: a payload that was left behind is no reason not to page.
        texts: what is wrong with its templates. Such a problem without a file stands in the policy.

    Raises:
        PolicyError: with every mistake. Not retried: the files stay wrong until somebody edits them.
    """
    at = at or datetime.now(UTC)
    years = years or range(at.year - 1, at.year + 3)
    sources, problems = _read_texts(Path(path))
    trees = [read_tree(text, file) for file, text in sources.items()]
    # Half of a folder would make every name in the other half look unknown.
    whole = not problems and all(isinstance(tree.data, dict) for tree in trees)
    problems += [problem for tree in trees for problem in tree.problems]
    raw, lines = _merge(trees, problems)
    if whole:
        found = [*find_problems(raw, channels, formats), *holiday_problems(raw)]
        found += expression_problems(raw)
        found += calendar_problems(raw, folder_of(path))
        found += sample_problems(raw, folder_of(path)) if with_samples else ()
        known = {problem.where for problem in problems}
        problems += [_placed(one, lines, Path(path)) for one in found if one.where not in known]
    said: list[Problem] = []
    if not problems and texts is not None:
        found = list(texts(Policy.model_validate(raw)))
        said = [one if one.file else _placed(one, lines, Path(path)) for one in found]
        problems = [one for one in said if not one.warning]
    if problems:
        raise PolicyError(sorted(problems, key=lambda one: (one.file, one.line or 0)))
    policy = with_holidays(Policy.model_validate(raw), years)
    policy, strangers = with_calendar_files(policy, folder_of(path), years)
    seen = (files or RosterFiles(Path(NO_FILES))).with_calendars(policy)
    warnings = [*find_warnings(seen, _coverage(seen, at)), *strangers]
    return LoadedPolicy(
        policy=policy,
        version=version_of(policy),
        warnings=[*(_placed(one, lines, Path(path)) for one in warnings), *said],
        sources=sources,
    )


def canonical_json(policy: Policy) -> str:
    """The one text of a policy. Names keep their order: that of the severities has a meaning."""
    return policy.model_dump_json(by_alias=True)


def version_of(policy: Policy) -> str:
    """The short content hash by which incidents and files name a policy."""
    return hashlib.sha256(canonical_json(policy).encode()).hexdigest()[:12]


def _coverage(policy: Policy, at: datetime) -> Mapping[str, list[tuple[datetime, datetime]]]:
    """When nobody is on call; a schedule that is empty or not yet read has a warning of its own."""
    absences = Absences.of(policy)
    return {
        key: gaps(schedule, at, at + COVERAGE_AHEAD, absences)
        for key, schedule in policy.schedules.items()
        if schedule.rotations or (schedule.calendar is not None and schedule.calendar.shifts)
    }


def folder_of(path: Path) -> Path:
    """Where the paths in a policy are seen from."""
    return Path(path) if Path(path).is_dir() else Path(path).parent


def _read_texts(path: Path) -> tuple[dict[str, str], list[Problem]]:
    """The text of each file, and what kept others from being read."""
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    try:
        files = _files(path)
        if not files:
            detail = "the folder holds no *.yaml or *.yml file"
            problems.append(Problem(where="policy", detail=detail, file=str(path)))
    except OSError as error:
        files, detail = [], f"cannot be read: {error.strerror or error}"
        problems.append(Problem(where="policy", detail=detail, file=str(path)))
    for file in files:
        try:
            texts[str(file)] = _text(file)
        except OSError as error:
            detail = f"cannot be read: {error.strerror or error}"
            problems.append(Problem(where="policy", detail=detail, file=str(file)))
        except ValueError as error:
            problems.append(Problem(where="policy", detail=str(error), file=str(file)))
    return texts, problems


def _files(path: Path) -> list[Path]:
    """The files of a policy; hidden ones are an editor's or a volume mount's own."""
    if not path.is_dir():
        return [path]
    return sorted(
        file
        for file in path.iterdir()
        if file.suffix in SUFFIXES and not file.name.startswith(".") and not file.is_dir()
    )


def _text(file: Path) -> str:
    """Raise `ValueError` for what is no text of a sensible size."""
    if file.exists() and not file.is_file():
        raise ValueError("is not a regular file")
    content = file.read_bytes()
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"is larger than {MAX_FILE_BYTES // 1024 // 1024} MiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(f"is not UTF-8 text: line {line} holds other bytes") from error


def _merge(trees: Iterable[Tree], problems: list[Problem]) -> tuple[dict[str, Any], Lines]:
    """One mapping from all files; a section in several files is put together name by name."""
    raw: dict[str, Any] = {}
    lines: Lines = {}
    for tree in trees:
        if not isinstance(tree.data, dict):
            if not tree.problems:
                shown = "is empty" if tree.data is None else "must hold sections such as services:"
                problems.append(Problem(where="policy", detail=shown, file=tree.file, line=1))
            continue
        for key, value in tree.data.items():
            present = raw.get(key)
            if isinstance(present, dict) and isinstance(value, dict):
                twice = [f"{key}.{name}" for name in value if name in present]
                raw[key] = {
                    **present,
                    **{name: item for name, item in value.items() if name not in present},
                }
            else:
                twice = [key] if key in raw and present != value else []
                raw.setdefault(key, value)
            problems += [_defined_twice(tree, place, lines) for place in twice]
        for place, line in tree.lines.items():
            lines.setdefault(place, (tree.file, line))
    return raw, lines


def _defined_twice(tree: Tree, where: str, lines: Lines) -> Problem:
    file, line = lines[where]
    detail = f"is defined twice: here and in {file}:{line}"
    return Problem(where=where, detail=detail, file=tree.file, line=tree.lines.get(where))


def _placed(problem: Problem, lines: Lines, path: Path) -> Problem:
    """The problem with the file and line of its place, or of the nearest place around it."""
    where = problem.where
    while where and where not in lines:
        where = where.rpartition(".")[0]
    file, line = lines.get(where) or lines.get("") or (str(path), 1)
    return problem.model_copy(update={"file": file, "line": line})

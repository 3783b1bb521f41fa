"""Every mistake in an organisation's own templates, before a message needs them: file, line, what there is.

Each template is compiled and tried with the examples of its message, in the process that would fill it
in. How one is looked at is in `probing.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from domain.errors import Problem
from domain.names import nearest
from templates.killable import Child
from templates.renderer import (
    BUILT_IN,
    FORMS,
    HARMLESS,
    NEEDED,
    SECONDS,
    SHARED,
    examples,
    for_the_outside,
    overridable,
)
from templates.sandbox import TemplateFaultError

LINE_NAMES = ("id", "service", "severity")
"""What the texts of the policy's channels are given."""
_EXAMPLE = "example.json"
_LINE_CASE = {"id": "checkout-17", "service": "checkout", "severity": "SEV1"}


def place_of(frame: str) -> str:
    """Where a frame is named, for who does not know the audience."""
    return f"audiences: template {frame}"


def template_problems(folder: Path | None, frames: Mapping[str, str]) -> list[Problem]:
    """What is wrong in a folder of templates of one's own.

    Args:
        folder: holds folders named like ours, and frames of the policy's audiences; None where there is
            none, and then a frame of one's own is a mistake.
        frames: by each folder that an audience names as its frame, the message that it stands for:
            `internal_update` or `external_update`.
    """
    if folder is None:
        return [
            _problem(
                place_of(frame),
                "is none of ours, and TOCSIN_TEMPLATES names no folder of your own",
                None,
                near=nearest(frame, ("internal_update", "external_update")),
            )
            for frame in frames
            if frame not in overridable()
        ]
    if not folder.is_dir():
        return [_problem("TOCSIN_TEMPLATES", "is no folder", folder)]
    child = Child(folder)
    try:
        return [*_misplaced(folder, frames), *_frame_problems(folder, frames)] + [
            problem
            for file in _templates(folder)
            if (message := _message_of(file.parent, folder, frames)) is not None
            for problem in _probed(child, file, folder, message)
        ]
    finally:
        child.close()


def line_problems(texts: Mapping[str, str]) -> list[Problem]:
    """What is wrong with texts of the policy that are templates.

    Args:
        texts: by its place in the policy: `channels.room`.
    """
    unsure = {where: source for where, source in texts.items() if not _is_plain(source)}
    if not unsure:
        return []
    child = Child(None)
    try:
        return [
            problem
            for where, source in unsure.items()
            for problem in _of_source(child, where, where, source, [_LINE_CASE], None)
        ]
    finally:
        child.close()


def _is_plain(source: str) -> bool:
    """Whether a text only names what it is given: nothing in it can go wrong."""
    named = re.findall(r"\{\{ *(\w+)", source)
    return bool(HARMLESS.fullmatch(source)) and all(name in LINE_NAMES for name in named)


def _templates(folder: Path) -> list[Path]:
    """Files of templates; hidden ones are an editor's or a volume mount's own."""
    return [
        file
        for file in sorted(folder.rglob("*.j2"))
        if not any(part.startswith(".") for part in file.relative_to(folder).parts)
    ]


def _message_of(where: Path, folder: Path, frames: Mapping[str, str]) -> str | None:
    """The message of ours that a file's folder stands for."""
    if where == folder:
        return None
    top = where.relative_to(folder).parts[0]
    return frames.get(top) or (top if top in (*overridable(), SHARED) else None)


def _misplaced(folder: Path, frames: Mapping[str, str]) -> Iterator[Problem]:
    """Files that no message would ever look for."""
    ours = {
        str(file.relative_to(BUILT_IN))
        for top in (*overridable(), SHARED)
        for file in (BUILT_IN / top).rglob("*.j2")
    }
    forms = {f"{frame}/{name}" for frame in frames for name in FORMS.values()}
    forms |= {
        f"{top}/{name}" for top in ("internal_update", "external_update") for name in FORMS.values()
    }
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder)
        is_note = name.name.startswith("README") or file.suffix == ".json"
        if file.is_dir() or is_note or any(part.startswith(".") for part in name.parts):
            continue
        if str(name) in ours | forms or (len(name.parts) > 1 and name.parts[0] in frames):
            continue
        detail = "is the name of no template, so nothing would use it"
        if name.parts[0] not in (*overridable(), SHARED) and len(name.parts) > 1:
            detail = f"no message and no audience of the policy uses the folder {name.parts[0]}"
        yield _problem(str(name), detail, file, near=nearest(str(name), sorted(ours | forms)))


def _frame_problems(folder: Path, frames: Mapping[str, str]) -> Iterator[Problem]:
    """Frames that an audience names, and that have not what a message needs."""
    for frame in frames:
        if frame in overridable():
            continue
        missing = [FORMS[form] for form in NEEDED if not (folder / frame / FORMS[form]).is_file()]
        if missing:
            detail = f"is named as the frame of an audience and lacks {' and '.join(missing)}"
            own = [one.name for one in folder.iterdir() if one.is_dir()]
            near = nearest(frame, sorted({*own, *overridable()} - {frame}))
            yield _problem(frame, detail, folder / frame, near=near)


def _probed(child: Child, file: Path, folder: Path, message: str) -> Iterator[Problem]:
    name = file.relative_to(folder).as_posix()
    try:
        source = file.read_text(encoding="utf-8")
        cases = _cases(file.parent, message)
        if message == "external_update" or name.startswith("update_text/external_"):
            cases = [for_the_outside(case) for case in cases]
    except (OSError, ValueError) as error:  # no file, no text, or an example that is no JSON
        yield _problem(name, f"cannot be read: {type(error).__name__}: {error}", file)
        return
    yield from _of_source(child, name, name, source, cases, file)


def _of_source(
    child: Child,
    name: str,
    where: str,
    source: str,
    cases: list[dict[str, Any]],
    file: Path | None,
) -> Iterator[Problem]:
    try:
        found = child.probe(name, source, cases, SECONDS)
    except TemplateFaultError as error:
        yield _problem(where, str(error).removeprefix(f"template {name}: "), file)
        return
    for one in found:
        near = nearest(one["unknown"], one["of"]) if "unknown" in one else ()
        line = one["line"] if file is not None else None
        yield _problem(where, one["detail"], file, line=line, near=near)


def _cases(where: Path, message: str) -> list[dict[str, Any]]:
    """The contexts that a template is tried with: its folder's own examples, else the message's."""
    own = where / _EXAMPLE
    if message == SHARED:
        return [{key: value for one in overridable() for key, value in examples(one)[0].items()}]
    if not own.is_file():
        return examples(message)
    usual = examples(message)[0]
    cases = json.loads(own.read_text(encoding="utf-8"))
    listed = cases if isinstance(cases, list) else [cases]
    if not all(isinstance(case, dict) for case in listed):
        raise ValueError(f"{own.name} must hold objects")
    return [
        usual | case | {"incident": usual["incident"] | case.get("incident", {})} for case in listed
    ]


def _problem(
    where: str,
    detail: str,
    file: Path | None,
    *,
    line: int | None = None,
    near: tuple[str, ...] = (),
) -> Problem:
    return Problem(where=where, detail=detail, file=str(file or ""), line=line, near=near)

"""`policy check` finds what is wrong with templates of one's own, before a message needs them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from domain.errors import Problem
from templates.checking import line_problems, template_problems
from templates.renderer import BUILT_IN, SHARED, overridable


def check(folder: Path, files: dict[str, str], **frames: str) -> list[Problem]:
    for name, source in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(source)
    return template_problems(folder, frames)


def test_our_own_templates_have_no_mistake(tmp_path: Path) -> None:
    """A folder that begins as a copy of ours is right."""
    for name in (*overridable(), SHARED):
        shutil.copytree(BUILT_IN / name, tmp_path / name)
    assert template_problems(tmp_path, {}) == []


@pytest.mark.parametrize(
    ("name", "source", "line", "detail", "near"),
    [
        ("external_update/short.txt.j2", "a\n{% if x %}", 2, "is no valid template: Unexpected end", ()),
        ("external_update/chat.txt.j2", "a\n\n{{ text | shrt }}", 3, "No filter named 'shrt'", ()),
        ("internal_update/body.txt.j2", "{{ text }}\n{{ txt }}", 2,
         "'txt' is not given to this template; it has at, by, incident, next_update_at, number, ",
         ("text",)),
        ("internal_update/body.txt.j2", "{{ incident.sumary }}", 1, "an incident has no 'sumary'; it has ack",
         ("summary", "major")),
        ("external_update/body.txt.j2", "\n{{ incident.summary }}", 2,
         "an incident has no 'summary'; it has service_name, status", ()),
        ("update_text/external_final.txt.j2", "{{ incident.description }}", 1,
         "an incident has no 'description'; it has service_name, status", ()),
        ("external_update/body.html.j2", "a\n{{ text.foo.bar }}", 2, "cannot be filled in with an", ()),
        ("page/subject.j2", "{{ 'x' * 10 ** 9 }}", None, "takes more memory than it may", ()),
        ("page/subjct.j2", "a", None, "is the name of no template", ("page/subject.j2",)),
        ("page/subject.txt", "a", None, "is the name of no template", ("page/subject.j2",)),
        ("pge/subject.j2", "a", None, "no message and no audience of the policy uses the folder pge",
         ("page/subject.j2",)),
    ],
)  # fmt: skip
def test_a_mistake_has_its_file_its_line_and_what_there_is(
    tmp_path: Path, name: str, source: str, line: int | None, detail: str, near: tuple[str, ...]
) -> None:
    """Where it stands, what is wrong, which names there are, what was probably meant."""
    (problem,) = check(tmp_path, {name: source})
    assert problem.file == str(tmp_path / name)
    assert problem.line == line
    assert detail in problem.detail
    assert problem.near[: len(near)] == near
    assert not problem.warning


def test_what_a_template_itself_allows_for_is_no_mistake(tmp_path: Path) -> None:
    """A name that it tests for may be missing."""
    source = "{{ extra | default('') }}{% if more is defined %}{{ more }}{% endif %}{{ text }}"
    assert check(tmp_path, {"internal_update/body.txt.j2": source}) == []


def test_notes_and_hidden_files_are_no_templates(tmp_path: Path) -> None:
    """A README, an editor's own files and a volume mount's are nobody's mistake."""
    files = {"README.md": "x", "page/.subject.j2.swp": "x", "..data/page/subject.j2": "{{"}
    assert check(tmp_path, files) == []


def test_a_frame_of_an_audience(tmp_path: Path) -> None:
    """It is there, it has what a message needs, and it is given what its side is."""
    (problem,) = check(tmp_path, {"board/subject.j2": "{{ text }}"}, board="internal_update")
    assert "lacks body.txt.j2" in problem.detail
    whole = {"board/body.txt.j2": "{{ incident.summary }}"}
    assert check(tmp_path, whole, board="internal_update") == []
    (problem,) = check(tmp_path, {}, board="external_update")
    assert "an incident has no 'summary'" in problem.detail
    found = check(tmp_path, {}, bord="internal_update", board="internal_update")
    assert [(one.where, one.near) for one in found] == [("bord", ("board",))]


def test_a_frame_without_any_folder() -> None:
    """Named in the policy, and nowhere to be found."""
    (problem,) = template_problems(None, {"internl_update": "internal_update"})
    assert "TOCSIN_TEMPLATES names no folder" in problem.detail
    assert problem.near[0] == "internal_update"
    assert template_problems(None, {"internal_update": "internal_update"}) == []


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """A path that was mistyped is said at once."""
    (problem,) = template_problems(tmp_path / "gone", {})
    assert (problem.where, problem.detail) == ("TOCSIN_TEMPLATES", "is no folder")


def test_texts_of_the_policy() -> None:
    """The names of rooms, bridges and documents are templates too."""
    texts = {
        "channels.room": "{{ id }}-{{ servce }}",
        "channels.bridge": "https://meet.example.com/{{ id",
        "channels.document": "https://docs.example.com/{{ id | lower }}",
    }
    room, bridge = line_problems(texts)
    assert (room.where, room.near[0]) == ("channels.room", "service")
    assert "'servce' is not given" in room.detail
    assert (bridge.where, bridge.line) == ("channels.bridge", None)

"""Reading the policy from disk: lines, folders, holidays, and files that are not what they should be."""

from __future__ import annotations

import contextlib
import random
import socket
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from domain.errors import PolicyError, Problem
from records.policy_file import LoadedPolicy, read_policy

EXAMPLE = Path(__file__).parents[2] / "policy" / "example.yaml"
AT = datetime(2026, 3, 1, tzinfo=UTC)

PEOPLE = """\
people:
  alice: {contacts: [{channel: email, to: alice@example.com}]}
  bob:
    contacts:
      - channel: email
        to: bob@example.com
"""
SERVICES = """\
# services
teams: {shop: {members: [alice, bob]}}
services:
  checkout:
    team: shop
"""


def read(tmp_path: Path, text: str | bytes) -> LoadedPolicy:
    """The policy of one file that holds `text`."""
    file = tmp_path / "policy.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_policy(file, at=AT)


def mistakes(tmp_path: Path, text: str | bytes) -> list[Problem]:
    """What is wrong with a file."""
    with pytest.raises(PolicyError) as refused:
        read(tmp_path, text)
    assert refused.value.problems
    return refused.value.problems


def folder(tmp_path: Path, **files: str) -> Path:
    """A folder with the given YAML files."""
    place = tmp_path / "policy.d"
    place.mkdir()
    for name, text in files.items():
        (place / f"{name}.yaml").write_text(text)
    return place


def test_the_example_is_good_and_wise() -> None:
    """What ships with Tocsin loads without a warning."""
    loaded = read_policy(EXAMPLE, at=AT)
    assert loaded.warnings == []
    assert list(loaded.sources) == [str(EXAMPLE)]
    assert len(loaded.version) == 12


def test_every_mistake_has_its_line(tmp_path: Path) -> None:
    """Mistakes of shape, of names and of values in one file are told together, in its order."""
    text = PEOPLE + (
        "teams:\n"
        "  shop:\n"
        "    members:\n"
        "      - alice\n"
        "      - bobb\n"
        "services:\n"
        "  checkout:\n"
        "    team: shpo\n"
        "    tier: 9\n"
        "    namee: x\n"
        "  checkout:\n"
        "    team: shop\n"
        "schedules:\n"
        "  night:\n"
        "    rotations:\n"
        "      - people: [alice]\n"
        "      - {people: [alice],\n"
        "         starts: nope}\n"
        "    holidays: {country: Germany, people: [bob]}\n"
        "  day: {holidays: {country: DE, subdivision: Berlim, people: [bob]}}\n"
    )
    problems = mistakes(tmp_path, text)
    assert [(one.line, one.where, one.near) for one in problems] == [
        (11, "teams.shop.members.1", ("bob",)),
        (14, "services.checkout.team", ("shop",)),
        (15, "services.checkout.tier", ()),
        (16, "services.checkout.namee", ("name",)),
        (17, "services.checkout", ()),
        (22, "schedules.night.rotations.0.starts", ()),
        (24, "schedules.night.rotations.1.starts", ()),
        (25, "schedules.night.holidays.country", ("DE",)),
        (26, "schedules.day.holidays.subdivision", ("BE",)),
    ]
    assert {one.file for one in problems} == {str(tmp_path / "policy.yaml")}
    assert "line 13" in problems[4].detail
    assert str(problems[0]).startswith(f"{tmp_path}/policy.yaml:11: teams.shop.members.1: unknown")


def test_an_expression_that_is_none_has_its_line(tmp_path: Path) -> None:
    """JMESPath of a generic integration is read with the policy, not when the first alert comes."""
    text = (
        "integrations:\n"
        "  own:\n"
        "    format: generic\n"
        "    key: env:K\n"
        "    fields:\n"
        "      summary: title.text || 'no title'\n"
        "      service: '[app'\n"
    )
    (found,) = mistakes(tmp_path, PEOPLE + text)
    assert found.where == "integrations.own.fields.service"
    assert found.line == (PEOPLE + text).count("\n")
    assert "JMESPath" in found.detail


def test_functions_that_jmespath_does_not_have(tmp_path: Path) -> None:
    """They would fail with every alert: a name that there is not, too many arguments; slices are none."""
    fields = {
        "service": "strats_with(app, 'x')",
        "summary": "join(': ', [name, upcase(text)])",
        "key": "to_string(id, name)",
        "description": "not_null()",
        "labels": "merge(tags, labels)",
        "link": "urls[0:1] | [0]",
        "priority": "max_by(parts, &level).priority",
    }
    lines = "".join(f'      {name}: "{one}"\n' for name, one in fields.items())
    text = "integrations:\n  own:\n    format: generic\n    key: env:K\n    fields:\n" + lines
    found = {one.where.rpartition(".")[2]: one for one in mistakes(tmp_path, PEOPLE + text)}
    assert sorted(found) == ["description", "key", "service", "summary"]
    assert found["service"].near[0] == "starts_with"
    assert "no function 'upcase'; it has abs, avg" in found["summary"].detail
    assert found["key"].detail == "JMESPath's to_string() takes 1 argument, not 2"
    assert found["description"].detail == "JMESPath's not_null() takes at least 1 argument, not 0"


def test_a_warning_has_its_line_too(tmp_path: Path) -> None:
    """What is unwise is told with file and line and stops nothing."""
    loaded = read(tmp_path, PEOPLE + "services:\n  lonely:\n    tier: 2\n")
    assert [(one.line, one.where, one.warning) for one in loaded.warnings] == [
        (8, "services.lonely", True)
    ]


def test_uncovered_hours_of_the_next_two_weeks_are_a_warning(tmp_path: Path) -> None:
    """A schedule that leaves hours to nobody says which, seen from the given instant."""
    schedules = (
        "schedules:\n"
        "  day:\n"
        "    rotations: [{people: [alice], starts: 2026-01-05, ends: 2026-03-10}]\n"
    )
    loaded = read(tmp_path, PEOPLE + schedules)
    assert [(one.line, one.where) for one in loaded.warnings] == [(8, "schedules.day")]
    assert "to 2026-03-15 00:00 UTC" in loaded.warnings[0].detail


def test_a_folder_is_one_policy(tmp_path: Path) -> None:
    """Sections spread over files are put together name by name; other files are not read."""
    place = folder(tmp_path, a="version: 1\n" + PEOPLE, b="version: 1\n" + SERVICES)
    (place / "c.yml").write_text("people: {carol: {contacts: [{channel: push, to: x}]}}\n")
    (place / "notes.txt").write_text("not: [yaml")
    (place / ".hidden.yaml").write_text("not: [yaml")
    (place / "deep.yaml").mkdir()
    loaded = read_policy(place, at=AT)
    assert list(loaded.policy.people) == ["alice", "bob", "carol"]
    assert [Path(file).name for file in loaded.sources] == ["a.yaml", "b.yaml", "c.yml"]


def test_a_folder_and_a_file_of_the_same_content_are_one_version(tmp_path: Path) -> None:
    """The version is that of the policy, however it is cut into files."""
    place = folder(tmp_path, a=PEOPLE, b=SERVICES)
    assert read_policy(place, at=AT).version == read(tmp_path, PEOPLE + SERVICES).version


def test_a_name_in_two_files_is_told_with_both_places(tmp_path: Path) -> None:
    """Neither of two definitions wins silently; the mistake names file and line of each."""
    place = folder(tmp_path, a=PEOPLE, b="people:\n\n  bob: {}\norganisation: {}\n", c="version: 2")
    with pytest.raises(PolicyError) as refused:
        read_policy(place, at=AT)
    first, second = refused.value.problems
    assert (first.where, first.file, first.line) == ("people.bob", f"{place}/b.yaml", 3)
    assert f"{place}/a.yaml:3" in first.detail
    assert (second.where, second.file, second.line) == ("version", f"{place}/c.yaml", 1)


def test_mistakes_in_several_files_are_told_together(tmp_path: Path) -> None:
    """Each mistake of a folder carries the file that it stands in."""
    place = folder(
        tmp_path, a=PEOPLE + "teams: {x: {members: [bobb]}}", b="services: {s: {tier: 0}}"
    )
    with pytest.raises(PolicyError) as refused:
        read_policy(place, at=AT)
    assert [(Path(one.file).name, one.line) for one in refused.value.problems] == [
        ("a.yaml", 7),
        ("b.yaml", 1),
    ]


def test_a_broken_file_in_a_folder_makes_no_names_unknown(tmp_path: Path) -> None:
    """With half of a folder unreadable only that is told, not a hundred names that it defines."""
    place = folder(tmp_path, a="people: [", b=SERVICES)
    with pytest.raises(PolicyError) as refused:
        read_policy(place, at=AT)
    assert [Path(one.file).name for one in refused.value.problems] == ["a.yaml"]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "empty"),
        ("# only a comment\n", 1, "empty"),
        ("---\n...\n", 1, "empty"),
        ("- a\n- b\n", 1, "sections"),
        ("just text", 1, "sections"),
        ("42", 1, "sections"),
        ("version: 1\npeople: [", 2, "YAML"),
        ("version: 1\na: b: c\n", 2, "YAML"),
        ("people:\n\talice: {}\n", 2, "YAML"),
        ("people: {alice: {}\nteams: {}\n", 2, "YAML"),
        ("a: 'unclosed\n", 2, "YAML"),
        ("a: *nobody\n", 1, "YAML"),
        ("version: 1\n---\nversion: 1\n", 2, "YAML"),
        ("version: 1\nname: \x01\n", None, "YAML"),
        ("%YAML 3.0\n---\nversion: 1\n", None, "YAML"),
        ("- " * 1500, None, "deep"),
        ("{a: " * 3000, None, "deep"),
        ("version: 1\npeople: &a {x: *a}\n", 2, "itself"),
        ("version: 1\n<<: 5\n", 2, "section"),
        ("version: 1\n? [a, b]\n: 1\n", 2, "list"),
        ("version: 1\n1: {}\n", 2, "quotes"),
        ("version: 1\nnull: {}\n", 2, "quotes"),
        ("version: !!python/object:os.system x\n", 1, "tag"),
        ("version: 1\npeople: !!set {alice, bob}\n", 2, "tag"),
        ("version: 1\npeople: !include people.yaml\n", 2, "tag"),
        ("version: " + "9" * 5000, 1, "number"),
        ("version: .inf\n", 1, "number"),
        ("version: 1\nversion: 1\n", 2, "twice"),
        ("version: 1\npeople:\n  a: {}\n  a: {}\n", 4, "twice"),
        ("version: 1\npeople:\n", 2, "nothing"),
        ("version: two\n", 1, "expected 1"),
        (b"\xff\xfeversion: 1", None, "UTF-8"),
        (b"version: 1\npeople: {\xe9ric: {}}\n", None, "UTF-8"),
        (b"\x00\x00\x00", None, "YAML"),
        ("a: " + "x" * (5 * 1024 * 1024), None, "larger"),
        ("\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9))
         .replace("*a0", "x"), None, "more than"),
    ],
    ids=lambda case: repr(case)[:30],
)  # fmt: skip
def test_a_broken_file_is_told_and_never_crashes(
    tmp_path: Path, text: str | bytes, line: int | None, said: str
) -> None:
    """Whatever a file holds, its owner gets sentences with places, not a stack trace."""
    problems = mistakes(tmp_path, text)
    told = [one for one in problems if said in one.detail]
    assert told, [str(one) for one in problems]
    if line is not None:
        assert line in [one.line for one in told]
    assert all(one.file.endswith("policy.yaml") and one.where for one in problems)


def test_a_missing_or_unreadable_path_is_told(tmp_path: Path) -> None:
    """No such file, an empty folder, a socket, a dangling link: each is a sentence with the path."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "dangling.yaml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket.yaml"))
        for name in ("missing.yaml", "empty", "dangling.yaml", "loop.yaml", "socket.yaml"):
            with pytest.raises(PolicyError) as refused:
                read_policy(tmp_path / name, at=AT)
            assert refused.value.problems[0].file == str(tmp_path / name)


def test_words_that_older_yaml_takes_for_booleans_stay_names(tmp_path: Path) -> None:
    """A person `no`, a service `on` and a country `NO` are what they say."""
    loaded = read(
        tmp_path,
        "people: {no: {contacts: [{channel: email, to: no@example.com}]}}\n"
        "services: {on: {team: yes}}\nteams: {yes: {members: [no]}}\n"
        "schedules: {s: {rotations: [{people: [no], starts: 2026-01-05}],"
        " holidays: {country: NO, people: [no]}}}\n",
    )
    assert list(loaded.policy.services) == ["on"]
    assert loaded.warnings == []


def test_aliases_and_merges_are_understood(tmp_path: Path) -> None:
    """A section may be written once and used again; its own fields win."""
    loaded = read(
        tmp_path,
        PEOPLE + "teams: {shop: {members: &all [alice, bob]}, ops: {members: *all}}\n"
        "services:\n  a: &base {team: shop, tier: 2}\n  b: {<<: *base, tier: 3}\n",
    )
    assert loaded.policy.teams["ops"].members == ["alice", "bob"]
    assert loaded.policy.services["b"].team == "shop"
    assert loaded.policy.services["b"].tier == 3


def test_times_are_read_as_they_are_written(tmp_path: Path) -> None:
    """Dates and times of day mean the same with and without quotes and seconds."""
    loaded = read(
        tmp_path,
        PEOPLE + "schedules: {s: {rotations: [{people: [alice], starts: 2026-01-05,"
        " handover: {at: 09:00}}], overrides: [{from: 2026-12-24T18:00:00,"
        ' to: "2026-12-26T09:00", person: bob}]}}\n',
    )
    schedule = loaded.policy.schedules["s"]
    assert schedule.rotations[0].starts == date(2026, 1, 5)
    assert schedule.rotations[0].handover.at == "09:00"
    assert schedule.overrides[0].start.hour == 18
    assert schedule.overrides[0].start.tzinfo is None


def test_public_holidays_are_filled_in(tmp_path: Path) -> None:
    """Last year to two years ahead by default; dates of the file's own stay."""
    text = PEOPLE + (
        "schedules: {s: {rotations: [{people: [alice], starts: 2026-01-05}],"
        " holidays: {country: DE, subdivision: BE, people: [bob], dates: [2026-05-15]}}}\n"
    )
    holidays = read(tmp_path, text).policy.schedules["s"].holidays
    assert holidays is not None
    assert {day.year for day in holidays.dates} == {2025, 2026, 2027, 2028}
    assert {date(2026, 3, 8), date(2026, 5, 15)} <= set(holidays.dates)
    assert holidays.dates == sorted(holidays.dates)
    one_year = read_policy(tmp_path / "policy.yaml", at=AT, years=range(2030, 2031))
    holidays = one_year.policy.schedules["s"].holidays
    assert holidays is not None
    assert {day.year for day in holidays.dates} == {2026, 2030}


def test_a_damaged_example_never_crashes_the_reader(tmp_path: Path) -> None:
    """The example with characters lost, doubled or swapped either loads or is told what is wrong."""
    dice = random.Random(7)
    whole = EXAMPLE.read_text(encoding="utf-8")
    for _ in range(150):
        text = list(whole)
        for _ in range(dice.randint(1, 4)):
            place = dice.randrange(len(text))
            text[place] = dice.choice(["", "\n", ":", "[", "}", "'", "&", "*", " ", "0", "- "])
        with contextlib.suppress(PolicyError):
            read(tmp_path, "".join(text))

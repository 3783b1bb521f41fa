"""What is written down is what the code does: tables, names, links, and nothing of anybody's machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import starter.cli.app  # noqa: F401  registers every verb
from activities.channels import CHANNELS
from domain.commands import COMMANDS
from starter.cli.writing import VERBS
from starter.intake import FORMATS
from starter.settings import SETTINGS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
WRITTEN = [
    *PAGES,
    *(ROOT / name for name in ("Makefile", ".env.example", ".ci/run", "pyproject.toml")),
]
LOCKS = sorted(ROOT.glob("requirements*.lock"))
ADRS = sorted((ROOT / "docs" / "adr").glob("*.md"))
IMAGES = ROOT / "docs" / "images"

FOREIGN = {
    "a package index": r"/simple/|--index-url|--extra-index",
    "a path of one machine": r"/(?:work|root|home|Users|tmp)/\w",
    "a folder beside this repository": r"\.\./shared",
}


def rel(path: Path) -> str:
    """The path as people call it, for the name of a test."""
    return path.relative_to(ROOT).as_posix()


def table(heading: str) -> list[list[str]]:
    """The rows of the one table under a heading of the README, without its head."""
    parts = re.split(rf"^#+ {re.escape(heading)}$", README, flags=re.MULTILINE)
    assert len(parts) == 2, f"README.md has no heading {heading!r}, or several"
    section = re.split(r"^#", parts[1], maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines[2:]
    ]


def names(heading: str) -> list[str]:
    """The first cell of each row, without its backticks."""
    return [row[0].strip("`") for row in table(heading)]


def test_channels_table() -> None:
    """The README's channels are the registered ones, and the outbox that is always there."""
    assert names("Channels") == ["outbox", *CHANNELS], (
        "bring the table 'Channels' of README.md in line with CHANNELS in activities/channels/__init__.py"
    )


def test_channels_name_what_sets_them_up() -> None:
    """Whoever reads a channel's row learns which settings it takes; each is one of its own."""
    needs = {
        row[0].strip("`"): set(re.findall(r"`([A-Z_]+)`", row[2])) for row in table("Channels")
    }
    for name, registered in CHANNELS.items():
        assert needs[name], f"README.md does not say what channel {name} needs"
        assert needs[name] <= set(registered.settings.variables())


def test_formats_table() -> None:
    """The README's formats are the registered ones, each with its address."""
    assert names("Alert formats") == list(FORMATS), (
        "bring the table 'Alert formats' of README.md in line with FORMATS in starter/intake/__init__.py"
    )
    for row in table("Alert formats"):
        name = row[0].strip("`")
        address = f"/hooks/{name}" if FORMATS[name].is_hook else "/v2/"
        assert address in row[1]


def test_settings_table() -> None:
    """The README's settings are those of the code, with their defaults, in their order."""
    shown = {row[0].strip("`"): row[1].strip("`") for row in table("Settings")}
    wanted = {setting.name: setting.default for setting in SETTINGS}
    assert list(shown) == list(wanted), (
        "bring the table 'Settings' of README.md in line with Settings in starter/settings.py"
    )
    assert shown == wanted, "a default in the table 'Settings' of README.md is not the code's"


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_a_setting_is_explained(setting) -> None:
    """Each setting is told in words, says whether it is secret, and stands in `.env.example`."""
    (row,) = [row for row in table("Settings") if row[0] == f"`{setting.name}`"]
    assert len(row[2]) > 10, f"README.md does not say what {setting.name} means"
    assert row[2].startswith("secret; ") == setting.is_secret, (
        f"begin the meaning of a secret with 'secret; ' and no other: {setting.name}"
    )
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert f"\n# {setting.name}=" in example, f"add {setting.name} to .env.example"


def test_commands_table() -> None:
    """The README's commands are the registered ones, each with its real verb."""
    assert names("Commands on an incident") == list(COMMANDS), (
        "bring the table 'Commands on an incident' of README.md in line with COMMANDS in "
        "domain/commands/__init__.py"
    )
    for name, shown, meaning in table("Commands on an incident"):
        said = {
            re.sub(r"( [A-Z][A-Za-z]*)+$", "", one)
            for one in re.findall(r"`tocsin ([^`]+)`", shown)
        }
        assert said == set(VERBS[name.strip("`")]), f"the CLI verb of {name} in README.md is not it"
        assert meaning


def test_make_targets() -> None:
    """The README's make targets are those of the Makefile that have a description."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    described = set(re.findall(r"^([a-z0-9]+):.*##", makefile, re.MULTILINE))
    shown = [re.sub(r"^make ", "", name) for name in names("Make targets")]
    assert set(shown) == described, (
        "bring the table 'Make targets' of README.md in line with the Makefile"
    )
    everywhere = {
        target
        for page in PAGES
        for target in re.findall(r"`make ([a-z0-9]+)[^`\n]*`", page.read_text(encoding="utf-8"))
    }
    assert everywhere <= described, f"no such make target: {everywhere - described}"


@pytest.mark.parametrize("line", ["$ make demo", "$ make test"])
def test_readme_holds_the_two_commands(line: str) -> None:
    """The two commands that a stranger types, each on a line of its own; CI runs the second."""
    assert README.splitlines().count(line) == 1


@pytest.mark.parametrize("page", PAGES, ids=rel)
def test_links_lead_somewhere(page: Path) -> None:
    """A relative link names a file that is there, and a heading that is in it."""
    for target in links(page.read_text(encoding="utf-8")):
        where, _, heading = target.partition("#")
        file = (page.parent / where).resolve() if where else page
        if file.is_relative_to(IMAGES) and not IMAGES.exists():
            continue  # `make shots` makes them; once the folder is there, all of them must be
        assert file.exists(), f"{rel(page)} links to {target}, which is not there"
        if heading and file.suffix == ".md":
            anchors = headings(file.read_text(encoding="utf-8"))
            assert heading in anchors, f"{rel(page)}: {rel(file)} has no heading #{heading}"


def links(text: str) -> list[str]:
    """Relative link targets of a page, outside of code."""
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
    found = re.findall(r"\]\(([^)\s]+)\)", prose)
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def headings(text: str) -> set[str]:
    """The anchors that a page's headings get."""
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=rel)
def test_named_files_exist(page: Path) -> None:
    """A file of ours that a page names by its path is there: pages outlive the tree that they describe."""
    tops = "|".join(path.name for path in ROOT.iterdir() if (path / "__init__.py").exists())
    text = page.read_text(encoding="utf-8")
    for named in re.findall(rf"`((?:{tops}|tests|policy|docs)/[\w/.-]+\.(?:py|md|yaml))\b", text):
        assert (ROOT / named).exists(), f"{rel(page)} names {named}, which is not there"


@pytest.mark.parametrize("file", WRITTEN, ids=rel)
@pytest.mark.parametrize("what", sorted(FOREIGN))
def test_nothing_foreign_is_written_down(what: str, file: Path) -> None:
    """What is written here holds for every machine, and refers to nothing that a reader does not have."""
    found = re.search(FOREIGN[what], file.read_text(encoding="utf-8"), re.IGNORECASE)
    assert found is None, f"{rel(file)} names {what}: {found and found[0]!r}"


@pytest.mark.parametrize("lock", LOCKS, ids=rel)
def test_locks_name_no_address(lock: Path) -> None:
    """A lock holds names, versions and hashes; where packages come from is the machine's business."""
    text = lock.read_text(encoding="utf-8")
    assert "://" not in text, f"{lock.name} holds an address: make it anew with `make lock`"
    assert "--hash=sha256:" in text


def test_adrs_are_numbered_without_gaps() -> None:
    """0001, 0002, …; each says context, decision and consequences, and its title has its number."""
    numbers = [int(path.name[:4]) for path in ADRS if re.match(r"\d{4}-[a-z0-9-]+\.md$", path.name)]
    assert numbers == list(range(1, len(ADRS) + 1)), "number docs/adr/ without gaps, NNNN-title.md"
    for number, path in zip(numbers, ADRS, strict=True):
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {number}. "), f"{rel(path)} begins with '# {number}. Title'"
        found = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert found == ["Context", "Decision", "Consequences"], rel(path)


def test_contributing_names_real_tests() -> None:
    """A recipe that names a test that nobody can find helps nobody."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    there = {
        name
        for file in files
        for name in re.findall(r"def (test_\w+)", file.read_text(encoding="utf-8"))
    }
    named = set(re.findall(r"\b(test_\w+)\b(?!\.py)", text))
    assert named <= there, f"CONTRIBUTING.md names tests that do not exist: {named - there}"
    for path in re.findall(r"`(tests/[\w/]+\.py)", text):
        assert (ROOT / path).exists(), f"CONTRIBUTING.md names {path}, which does not exist"

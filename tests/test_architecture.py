"""The shape of the code: who may import whom, what is pure, how large a module is, what is registered.

Everything is read from syntax trees, so that nothing has to run. A rule that has to change is changed
here and in docs/architecture.md together.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("domain", "workflows", "activities", "records", "templates", "starter")
LONGEST_MODULE = 400
LONGEST_TEST = 500
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "lib"}

STANDARD = set(sys.stdlib_module_names) | {"__future__"}
PURE = {
    "__future__", "abc", "base64", "bisect", "calendar", "collections", "contextlib", "dataclasses",
    "datetime", "decimal", "difflib", "enum", "fractions", "functools", "hashlib", "heapq", "hmac", "html",
    "ipaddress", "itertools", "json", "math", "operator", "re", "statistics", "string", "textwrap", "types",
    "typing", "unicodedata", "urllib.parse", "zoneinfo",
}  # fmt: skip
"""Standard modules that compute; those that look outside (os, pathlib, random, time, …) are missing."""

MAY_IMPORT: dict[str, set[str]] = {
    "domain": PURE | {"domain", "pydantic", "pydantic_core"},
    "workflows": PURE
    | {"asyncio", "domain", "pydantic", "workflows"}
    | {"temporalio.workflow", "temporalio.common", "temporalio.exceptions"},
    "records": STANDARD
    | {"domain", "records", "pydantic", "pydantic_core"}
    | {
        "sqlalchemy",
        "alembic",
        "ruamel",
        "holidays",
        "icalendar",
        "recurring_ical_events",
        "jmespath",
        "structlog",
    },
    "templates": STANDARD
    | {"domain", "templates", "pydantic", "jinja2", "markupsafe", "markdown_it", "nh3"},
}
"""Every import of a package begins with one of these. The other packages have `MAY_NOT_IMPORT`."""

MAY_NOT_IMPORT: dict[str, set[str]] = {
    "activities": {"starter", "worker", "workflows"},
    "starter": {"activities", "worker", "workflows"},
}
"""Activities and the front talk to the outside world, so only the project's own parts are limited."""

CONTRACT = {"workflows.contract", "workflows.converter"}
"""What the outside knows of the workflows: names, ids, inputs, and how data travels."""

EXTRA: dict[str, set[str]] = {
    "workflows/converter.py": {
        "temporalio.api.common", "temporalio.contrib.pydantic", "temporalio.converter",
    },
    # The runner of the workflows, no workflow itself: it looks at what goes in and out of each.
    "workflows/task_marks.py": {
        "temporalio.bridge.proto", "temporalio.worker",
    },
    # Signatures under commands: verifying is pure, and nothing else of it may be used here.
    "workflows/claims.py": {
        "cryptography.exceptions.InvalidSignature",
        "cryptography.hazmat.primitives.asymmetric.ed25519.Ed25519PublicKey",
    },
    # The one way out to addresses from outside: its rules hold once, for both sides.
    "starter/egress.py": {"activities.egress"},
    # And one way to write the status page, whoever asks for it.
    "starter/api/publishing.py": {"activities.publishing"},
}  # fmt: skip
"""Single modules that may import more."""

CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "perf_counter"}
OUTSIDE = {"environ", "getenv", "uuid1", "uuid4", "urandom", "token_hex", "randint", "choice"}
BUILTINS = {"open", "input", "print", "exec", "eval", "breakpoint", "__import__"}


@cache
def modules(top: str) -> list[Path]:
    """Every module of a package."""
    return sorted(p for p in (ROOT / top).rglob("*.py") if "__pycache__" not in p.parts)


def own() -> list[Path]:
    """Every module of the project but the tests."""
    return [path for top in PACKAGES for path in modules(top)] + [ROOT / "worker.py"]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(node: ast.AST) -> list[str]:
    """What a node imports: `from workflows import contract` is `workflows.contract`."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree(path)):
        for target in imported(node):
            yield getattr(node, "lineno", 0), target


def begins_with(target: str, allowed: set[str]) -> bool:
    """Whether a dotted name is one of the allowed ones or lies inside of one."""
    parts = target.split(".")
    return any(".".join(parts[:n]) in allowed for n in range(1, len(parts) + 1))


@pytest.mark.parametrize("top", sorted(MAY_IMPORT))
def test_imports_go_one_way(top: str) -> None:
    """The core knows no shell: a package imports what its row of the table says and nothing else."""
    wrong = [
        f"{name(path)}:{line} imports {target}"
        for path in modules(top)
        for line, target in imports(path)
        if not begins_with(target, MAY_IMPORT[top] | EXTRA.get(name(path), set()))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("top", sorted(MAY_NOT_IMPORT))
def test_the_edges_know_only_the_contract(top: str) -> None:
    """Activities and the front know the workflows by their contract, and not each other."""
    wrong = [
        f"{name(path)}:{line} imports {target}"
        for path in modules(top)
        for line, target in imports(path)
        if begins_with(target, MAY_NOT_IMPORT[top])
        and not begins_with(target, CONTRACT | EXTRA.get(name(path), set()))
    ]
    assert not wrong, "\n".join(wrong)


def impurities(path: Path) -> Iterator[str]:
    """Where a module asks a clock, the environment, chance or a file."""
    for node in ast.walk(tree(path)):
        match node:
            case ast.Attribute(value=ast.Name(id="workflow")):
                continue  # workflow.now() and workflow.uuid4() are the deterministic ones
            case ast.Attribute(attr=attr) if attr in OUTSIDE:
                yield f"{name(path)}:{node.lineno} uses .{attr}"
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=attr)) if (
                attr in CLOCKS and owner in ("datetime", "date", "time", "dt")
            ):
                yield f"{name(path)}:{node.lineno} calls {owner}.{attr}()"
            case ast.Call(func=ast.Name(id=called)) if called in BUILTINS:
                yield f"{name(path)}:{node.lineno} calls {called}()"
            case ast.Name(id="uuid4" | "environ" | "getenv"):
                yield f"{name(path)}:{node.lineno} uses {node.id}"


@pytest.mark.parametrize("top", ["domain", "workflows"])
def test_rules_and_workflows_ask_no_clock_no_chance_and_no_file(top: str) -> None:
    """Time is an argument, and the same input gives the same answer: replay depends on it."""
    wrong = [found for path in modules(top) for found in impurities(path)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("top", ["activities", "templates"])
def test_settings_arrive_as_arguments(top: str) -> None:
    """Only the front and the worker read the environment."""
    wrong = [
        f"{name(path)}:{node.lineno}"
        for path in modules(top)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    ]
    assert not wrong, "\n".join(wrong)


def loaded_with(module: str) -> set[str]:
    """Everything that importing a module imports in turn, following the project's own modules."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        path = ROOT / Path(*current.split("."))
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if file.exists():
            waiting += [target for node in _at_import(tree(file).body) for target in imported(node)]
            waiting += [current.rpartition(".")[0]] if "." in current else []
        elif "." in current:
            waiting.append(current.rpartition(".")[0])  # a name inside a module
    return seen


def _at_import(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """Statements that run when a module is imported; a function's body and type hints do not."""
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for field in ("body", "orelse", "finalbody"):
                yield from _at_import(getattr(node, field, []))


def test_the_command_line_does_not_load_temporal() -> None:
    """The CLI speaks HTTP: half a second faster, and no Temporal client that aborts at exit."""
    loaded = loaded_with("starter.cli.app")
    assert "starter.cli.app" in loaded
    heavy = {
        x for x in loaded if x.split(".")[0] in ("temporalio", "workflows", "activities", "worker")
    }
    assert not heavy, f"loaded with the CLI: {', '.join(sorted(heavy))}; import it where it is used"


@pytest.mark.parametrize("path", own(), ids=name)
def test_a_module_has_a_size_a_name_and_a_purpose(path: Path) -> None:
    """At most 400 lines, no vague name, one docstring that says what lives here, no bare except."""
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_MODULE, f"{lines} lines: split it by phase or by subject"
    assert not {path.stem, *path.relative_to(ROOT).parts} & VAGUE, "name it for what is in it"
    assert ast.get_docstring(tree(path)), "say in a docstring what lives here"
    bare = [
        n.lineno for n in ast.walk(tree(path)) if isinstance(n, ast.ExceptHandler) and not n.type
    ]
    assert not bare, f"bare except in line {bare}"


def test_test_modules_have_a_size_and_their_tests_say_what_must_hold() -> None:
    """At most 500 lines, and each test has a sentence in the words of the field."""
    wrong = []
    for path in modules("tests"):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        wrong += [f"{name(path)} has {lines} lines"] if lines > LONGEST_TEST else []
        wrong += [
            f"{name(path)}:{node.lineno} {node.name} says nothing"
            for node in ast.walk(tree(path))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.name.startswith("test_")
            and path.name.startswith("test_")
            and not ast.get_docstring(node)
        ]
    assert not wrong, "\n".join(wrong)


# Registries: one line each, and a test that says which one is missing.


def load_all(package: str) -> None:
    """Import every module of a package, so that its classes are known."""
    for module in pkgutil.walk_packages([str(ROOT / package.replace(".", "/"))], f"{package}."):
        importlib.import_module(module.name)


def concrete(base: type) -> set[type]:
    """The classes below one that are complete: they have a name of their own."""
    found: set[type] = set()
    for child in base.__subclasses__():
        found |= concrete(child)
        if "name" in vars(child):
            found.add(child)
    return found


def test_every_command_is_registered() -> None:
    """A command without a line in COMMANDS has no update, no signal, no route and no CLI verb."""
    from domain.commands import COMMANDS
    from domain.commands.base import Command
    from domain.postmortem.commands import POSTMORTEM_COMMANDS, PostmortemCommand

    load_all("domain")
    assert set(COMMANDS.values()) == concrete(Command), "add it to domain/commands/__init__.py"
    assert set(POSTMORTEM_COMMANDS.values()) == concrete(PostmortemCommand)
    for commands in (COMMANDS, POSTMORTEM_COMMANDS):
        for key, command in commands.items():
            assert key == command.name
            assert command.description
            assert (command.__doc__ or "").strip()


def test_every_clock_is_registered() -> None:
    """A clock without a line in its tuple never strikes."""
    from domain.aggregate import Clock
    from domain.clocks import INCIDENT_CLOCKS
    from domain.postmortem.process import POSTMORTEM_CLOCKS

    load_all("domain")
    ours = {c for c in Clock.__subclasses__() if c.__module__.startswith("domain.")}
    assert {type(clock) for clock in (*INCIDENT_CLOCKS, *POSTMORTEM_CLOCKS)} == ours


def test_every_refusal_is_listed_by_name() -> None:
    """Temporal matches error types by name: one that is not listed would be retried for ever."""
    from domain.errors import REFUSALS, IncidentError

    load_all("domain")
    ours = {
        c.__name__ for c in IncidentError.__subclasses__() if c.__module__.startswith("domain.")
    }
    assert set(REFUSALS) == ours


def effect_kinds(file: str) -> set[str]:
    """Kinds of effects that a module of rules asks for, as they stand in its calls."""
    kinds: set[str] = set()
    for node in ast.walk(tree(ROOT / file)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        values = (
            [k.value for k in node.keywords if k.arg == "kind"] if node.func.id == "Effect" else []
        )
        values += node.args[1:2] if node.func.id == "announce" else []
        for value in values:
            kinds |= {
                c.value
                for c in ast.walk(value)
                if isinstance(c, ast.Constant) and isinstance(c.value, str) and c.value != "final"
            }
    return kinds


def test_every_effect_has_somebody_who_carries_it_out() -> None:
    """An effect of an unknown kind would be wanted for ever and done never."""
    from workflows.performing import INCIDENT_STEPS

    rules = (
        "reactions",
        "speaking",
        "telling",
        "easing",
        "handing_over",
        "page_effects",
        "crossing",
        "room_reactions",
    )
    asked = set().union(*(effect_kinds(f"domain/{name}.py") for name in rules))
    assert asked == set(INCIDENT_STEPS), "one line in INCIDENT_STEPS per kind of effect"
    text = (ROOT / "workflows/postmortem.py").read_text(encoding="utf-8")
    for kind in effect_kinds("domain/postmortem/process.py"):
        assert f'"{kind}"' in text, f"workflows/postmortem.py does not carry out {kind}"


def decorated(path: Path, decorator: str) -> set[str]:
    """Classes that have a decorator, or methods that do."""
    return {
        node.name
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef)
        and any(
            decorator in ast.unparse(d)
            for part in [node, *node.body]
            for d in getattr(part, "decorator_list", [])
        )
    }


@pytest.mark.parametrize(
    ("top", "decorator"), [("activities", "activity.defn"), ("workflows", "workflow.defn")]
)
def test_everything_that_runs_is_put_together_in_the_worker(top: str, decorator: str) -> None:
    """A class of activities or a workflow that the worker does not name is never run."""
    worker = (ROOT / "worker.py").read_text(encoding="utf-8")
    named = {node.id for node in ast.walk(ast.parse(worker)) if isinstance(node, ast.Name)}
    found = {cls for path in modules(top) for cls in decorated(path, decorator)}
    assert found
    assert found <= named, f"not in worker.py: {', '.join(sorted(found - named))}"


def top_level(path: Path, kind: type[ast.stmt]) -> set[str]:
    return {node.name for node in tree(path).body if isinstance(node, kind)}  # type: ignore[attr-defined]


def test_every_channel_is_registered() -> None:
    """A channel is a file and a line: one without its line is never used."""
    from activities.channels import CHANNELS

    registered = {entry.channel.__name__ for entry in CHANNELS.values()}
    for path in modules("activities/channels"):
        found = {
            c for c in top_level(path, ast.ClassDef) if c.endswith("Channel") and c != "Channel"
        }
        assert found <= registered, f"{name(path)}: add a line to CHANNELS for {found - registered}"


def test_every_intake_format_is_registered() -> None:
    """A format is a file with `parse` and a line: one without its line takes no alert."""
    from starter.intake import FORMATS

    registered = list(FORMATS.values())
    for path in modules("starter/intake"):
        if "parse" in top_level(path, ast.FunctionDef):
            one = importlib.import_module(f"starter.intake.{path.stem}").FORMAT
            assert one in registered, f"{name(path)}: add a line to FORMATS"

"""The package holds what it needs, starts, and is what CI and the changelog say it is."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WHEEL = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
PACKAGES = [name for name in WHEEL["only-include"] if (ROOT / name).is_dir()]
NOT_SHIPPED = {"tests", "bench"}


def test_every_package_is_shipped() -> None:
    """A top-level package that pyproject.toml forgets is missing where Tocsin is installed."""
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")} - NOT_SHIPPED
    assert set(PACKAGES) == found, (
        "bring [tool.hatch.build.targets.wheel] only-include in pyproject.toml in line with the tree"
    )


def test_every_module_beside_the_packages_is_shipped() -> None:
    """`worker.py` and the example policy travel with the packages; what is named is there."""
    modules = {path.name for path in ROOT.glob("*.py")}
    assert modules <= set(WHEEL["only-include"]), "add the module to only-include"
    for source in WHEEL["only-include"]:
        assert (ROOT / source).exists(), f"pyproject.toml includes {source}, which is not there"


def test_ours_are_sorted_and_typed_as_ours() -> None:
    """Import sorting knows every package, and the type checker looks at every one."""
    ours = set(PACKAGES) | {"worker"}
    assert ours <= set(PROJECT["tool"]["ruff"]["lint"]["isort"]["known-first-party"])
    assert {*PACKAGES, "worker.py"} <= set(PROJECT["tool"]["mypy"]["files"])


def test_console_scripts_can_be_called() -> None:
    """`tocsin` points to a function that is there."""
    scripts = PROJECT["project"]["scripts"]
    assert "tocsin" in scripts
    for target in scripts.values():
        module, _, function = target.partition(":")
        assert callable(getattr(importlib.import_module(module), function))


def test_licence() -> None:
    """The licence that is declared is the text that is there."""
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert PROJECT["project"]["license-files"] == ["LICENSE"]
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_ci_calls_the_readmes_test_command(tmp_path: Path) -> None:
    """`.ci/run` checks first and then runs what the README tells people to run, read from there."""
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci" / "run").write_bytes((ROOT / ".ci" / "run").read_bytes())
    (tmp_path / "README.md").write_bytes((ROOT / "README.md").read_bytes())
    fake, calls = tmp_path / "bin" / "make", tmp_path / "calls"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\necho "make $*" >> {calls}\n', encoding="utf-8")
    fake.chmod(0o755)
    environment = {**os.environ, "PATH": f"{fake.parent}:{os.environ['PATH']}"}
    subprocess.run(["bash", tmp_path / ".ci" / "run"], env=environment, check=True, timeout=120)
    assert calls.read_text(encoding="utf-8").splitlines() == ["make check", "make test"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK), "chmod +x .ci/run"


def test_ci_fails_without_a_test_command(tmp_path: Path) -> None:
    """A README that lost its test command must not make CI pass by running nothing."""
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci" / "run").write_bytes((ROOT / ".ci" / "run").read_bytes())
    (tmp_path / "README.md").write_text("# Nothing\n", encoding="utf-8")
    fake = tmp_path / "bin" / "make"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\n", encoding="utf-8")
    fake.chmod(0o755)
    environment = {**os.environ, "PATH": f"{fake.parent}:{os.environ['PATH']}"}
    ended = subprocess.run(
        ["bash", tmp_path / ".ci" / "run"], env=environment, capture_output=True, timeout=120
    )
    assert ended.returncode == 2
    assert b"names no test command" in ended.stderr


def test_version_is_the_changelogs_newest() -> None:
    """Whoever installs a version finds what is new in it; Unreleased stands above it."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[([^\]]+)\]", text, re.MULTILINE)
    assert versions[0] == "Unreleased"
    assert versions[1] == PROJECT["project"]["version"], (
        "the newest version in CHANGELOG.md is not that of pyproject.toml"
    )


def test_the_declared_python_is_the_checked_one() -> None:
    """Makefile, package, linter and type checker speak of the same oldest Python."""
    oldest = re.fullmatch(r">=(\d+)\.(\d+)", PROJECT["project"]["requires-python"])
    assert oldest is not None
    major, minor = oldest.groups()
    assert PROJECT["tool"]["ruff"]["target-version"] == f"py{major}{minor}"
    assert PROJECT["tool"]["mypy"]["python_version"] == f"{major}.{minor}"
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"sys.version_info < ({major}, {minor})" in makefile

"""What `tocsin up` starts, with which environment, and what it refuses, without starting anything."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from starter.data_folder import DataFolder
from starter.embedded import SERVER_TUNING, Up, UpOptions, temporal_command
from starter.processes import Child, free_port

POLICY = Path(__file__).parents[2] / "policy" / "example.yaml"


def options(tmp_path: Path, **changes: int) -> UpOptions:
    """Any free ports, unless told otherwise."""
    ports = {"api_port": 0, "temporal_port": 0, "temporal_ui_port": 0, **changes}
    return UpOptions(policy=POLICY, data_dir=tmp_path / "data", **ports)


class Planned(Up):
    """Looks at what would be started, instead of starting it."""

    children: list[Child]

    def _run_in_folder(self) -> int:
        if not self._choose_ports():
            return 2
        self.children = self._children()
        return 0


def planned(tmp_path: Path, environment: dict[str, str]) -> dict[str, Child]:
    up = Planned(options(tmp_path), environment)
    assert up.run() == 0
    return {child.name: child for child in up.children}


def test_server_keeps_its_state_in_a_file_and_is_tuned() -> None:
    """Only this machine reaches it; the file database survives a kill and is quick."""
    command = temporal_command(7233, 8233, Path("var/temporal.db"))
    text = " ".join(command)
    assert "--db-filename var/temporal.db" in text
    assert "--ip 127.0.0.1 --port 7233" in text
    assert "--ui-port 8233" in text
    assert "journal_mode=WAL" in text
    assert all(f"--dynamic-config-value {value}" in text for value in SERVER_TUNING)
    assert "--headless" in temporal_command(7233, None, None)


def test_server_comes_first_and_each_has_a_log(tmp_path: Path) -> None:
    """The order is that of starting; stopping turns it round."""
    children = planned(tmp_path, {})
    assert list(children) == ["temporal", "worker", "api"]
    assert {child.log.name for child in children.values()} == {
        "temporal.log",
        "worker.log",
        "api.log",
    }


def test_profile_of_another_cluster_reaches_no_process(tmp_path: Path) -> None:
    """Worker and API speak to the server of this `up`, whatever the person's shell says."""
    own = {"TEMPORAL_ADDRESS": "cloud:7233", "TEMPORAL_API_KEY": "k", "TEMPORAL_NAMESPACE": "prod"}
    children = planned(tmp_path, own)
    for name in ("worker", "api"):
        environment = children[name].environment
        assert environment["TEMPORAL_ADDRESS"].startswith("127.0.0.1:")
        assert environment["TEMPORAL_NAMESPACE"] == "default"
        assert "TEMPORAL_API_KEY" not in environment
    assert not [key for key in children["temporal"].environment if key.startswith("TEMPORAL_")]


def test_token_of_the_shell_is_not_that_of_the_api(tmp_path: Path) -> None:
    """TOCSIN_API_TOKEN is for the command line; the API has the one in the data folder."""
    children = planned(tmp_path, {"TOCSIN_API_TOKEN": "for another one"})
    assert "TOCSIN_API_TOKEN" not in children["api"].environment


def test_links_lead_to_the_api_unless_it_has_a_public_address(tmp_path: Path) -> None:
    """Where people reach it is a setting."""
    own = planned(tmp_path / "own", {})["api"].environment
    assert own["TOCSIN_PUBLIC_URL"] == f"http://127.0.0.1:{own['TOCSIN_API_PORT']}"
    public = {"TOCSIN_PUBLIC_URL": "https://tocsin.example.com"}
    assert planned(tmp_path / "public", public)["worker"].environment["TOCSIN_PUBLIC_URL"] == (
        "https://tocsin.example.com"
    )


def test_same_port_twice_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is started."""
    port = free_port()
    assert Planned(options(tmp_path, api_port=port, temporal_port=port), {}).run() == 2
    assert "the three ports must differ" in capsys.readouterr().err


def test_broken_settings_are_told_all_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each by name; no folder is made."""
    broken = {"TOCSIN_DELIVERY": "pigeon", "SENDGRID_TIMEOUT": "soon"}
    assert Planned(options(tmp_path), broken).run() == 2
    told = capsys.readouterr().err
    assert "TOCSIN_DELIVERY" in told
    assert "SENDGRID_TIMEOUT" in told
    assert "2 mistakes in the settings: nothing was started" in told
    assert not (tmp_path / "data").exists()


def test_missing_policy_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not a traceback."""
    missing = UpOptions(policy=tmp_path / "none.yaml", data_dir=tmp_path / "data")
    assert Planned(missing, {}).run() == 2
    told = capsys.readouterr().err
    assert "none.yaml" in told
    assert "1 mistake in the policy: nothing was started" in told


def test_closed_integration_is_told_and_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key setting that is missing closes that integration only."""
    planned(tmp_path, {})
    assert "integration prometheus is closed" in capsys.readouterr().out


def test_folder_that_cannot_be_used_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names the folder and the option; nothing is started."""
    (tmp_path / "data").write_text("a file")
    assert Planned(options(tmp_path), {}).run() == 2
    told = capsys.readouterr().err
    assert str(tmp_path / "data") in told
    assert "--data-dir" in told


def test_ready_file_that_cannot_be_written_is_told_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever asked for it would wait for ever."""
    (tmp_path / "file").write_text("")
    asked = replace(options(tmp_path), ready_file=tmp_path / "file" / "ready.json")
    assert Planned(asked, {}).run() == 2
    assert "--ready-file" in capsys.readouterr().err


def test_ready_file_of_a_killed_one_is_gone_before_the_next_is_up(tmp_path: Path) -> None:
    """It names processes that are dead."""
    stale = tmp_path / "ready.json"
    stale.write_text("{}")
    assert Planned(replace(options(tmp_path), ready_file=stale), {}).run() == 0
    assert not stale.exists()


def test_refused_one_leaves_the_holder_s_ready_file(tmp_path: Path) -> None:
    """Two that were started alike: the second one changes nothing of the first."""
    file = tmp_path / "ready.json"
    asked = replace(options(tmp_path), ready_file=file)
    with DataFolder(asked.data_dir):
        file.write_text("the holder's")
        assert Planned(asked, {}).run() == 2
    assert file.read_text() == "the holder's"


def test_ready_file_waits_until_all_is_up_and_no_disk_fault_ends_the_rest(tmp_path: Path) -> None:
    """A death while starting writes nothing; later a file that cannot be written is only a warning."""
    file = tmp_path / "run" / "ready.json"
    up = Planned(replace(options(tmp_path), ready_file=file), {})
    assert up.run() == 0
    up._write_ready_file()
    assert not file.exists()
    up._is_up = True
    up._write_ready_file()
    assert json.loads(file.read_text())["pids"] == {}
    file.unlink()
    file.mkdir()
    up._write_ready_file()

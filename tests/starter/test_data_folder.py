"""The data folder: one holder at a time, whatever becomes of it, and files that are whole."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from starter.data_folder import DataFolder, FolderError, HeldError, write_json
from tests.system import eventually

HOLDS = (
    "import sys, time; from pathlib import Path; from starter.data_folder import DataFolder\n"
    "with DataFolder(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
)


def is_free(folder: Path) -> bool:
    try:
        with DataFolder(folder):
            return True
    except HeldError:
        return False


def test_second_holder_is_refused_and_the_first_is_named(tmp_path: Path) -> None:
    """The sentence names the folder, the process and what to do."""
    with (
        DataFolder(tmp_path),
        pytest.raises(HeldError, match=rf"pid {os.getpid()}\b.*--data-dir") as refused,
        DataFolder(tmp_path),
    ):
        pass
    assert str(tmp_path) in str(refused.value)


def test_folder_is_free_again_afterwards(tmp_path: Path) -> None:
    """Also after an error inside."""
    with pytest.raises(RuntimeError), DataFolder(tmp_path):
        raise RuntimeError
    with DataFolder(tmp_path):
        assert (tmp_path / "up.lock").read_text() == f"{os.getpid()}\n"


def test_refused_one_leaves_the_holder_s_id_in_place(tmp_path: Path) -> None:
    """A third one hears the same."""
    with DataFolder(tmp_path):
        for _ in range(2):
            with pytest.raises(HeldError, match=str(os.getpid())), DataFolder(tmp_path):
                pass


def test_killed_holder_holds_nothing(tmp_path: Path) -> None:
    """The lock is the kernel's: no file has to be removed by hand."""
    command = [sys.executable, "-c", HOLDS, str(tmp_path)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    with holder.stdout as out:
        assert out.readline() == "held\n"
    with pytest.raises(HeldError, match=f"pid {holder.pid}"), DataFolder(tmp_path):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait(30)
    with DataFolder(tmp_path):
        pass


def test_folder_that_is_a_file_is_refused_with_a_sentence(tmp_path: Path) -> None:
    """Named, with the option that gives another one."""
    (tmp_path / "data").write_text("")
    with (
        pytest.raises(FolderError, match=r"data cannot be used.*--data-dir"),
        DataFolder(tmp_path / "data"),
    ):
        pass


def test_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    """A first start needs no preparation; the path is absolute from then on."""
    with DataFolder(tmp_path / "a" / "b") as folder:
        assert folder.path.is_dir()
        assert folder.path.is_absolute()
        assert folder.endpoint.parent == folder.path


def test_lock_is_not_inherited_by_children(tmp_path: Path) -> None:
    """A child that outlives its parent must not keep the folder."""
    with DataFolder(tmp_path):
        child = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(30)"], close_fds=False
        )
    try:
        # The kernel wakes us a moment before the new program has let go of what it must not have.
        eventually(lambda: is_free(tmp_path), 30, "the lock")
    finally:
        child.kill()
        child.wait(30)


def test_json_is_written_whole_and_for_its_owner_only(tmp_path: Path) -> None:
    """It may hold a token; and whoever reads it meanwhile sees the old or the new."""
    file = tmp_path / "new" / "ready.json"
    write_json(file, {"token": "first"})
    old = file.stat().st_ino
    write_json(file, {"token": "second"})
    assert json.loads(file.read_text()) == {"token": "second"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.stat().st_ino != old
    assert [path.name for path in file.parent.iterdir()] == ["ready.json"]


def test_json_that_cannot_be_put_in_its_place_leaves_nothing_behind(tmp_path: Path) -> None:
    """A folder of that name stands there: no half file stays beside it."""
    (tmp_path / "ready.json").mkdir()
    with pytest.raises(OSError):
        write_json(tmp_path / "ready.json", {})
    assert [path.name for path in tmp_path.iterdir()] == ["ready.json"]

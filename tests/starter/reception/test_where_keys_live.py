"""Which desk holds a key: known at once, at every process and after a restart; else all are asked."""

from __future__ import annotations

import json
import os

import pytest

from domain.alert import AlertStatus
from starter.reception.notebook import Notebook
from starter.reception.where_keys_live import KeyHomes
from tests.world import an_alert


class Homes(KeyHomes):
    """With open incidents on some services."""

    def __init__(self, file, *services):
        self.asked = 0

        async def open_services():
            self.asked += 1
            return services

        super().__init__(file, open_services)


def ended(**fields):
    return an_alert("pd/k", status="resolved", integration="pd", service="unknown", **fields)


def fired(service="checkout", **fields):
    return an_alert("pd/k", integration="pd", service=service, **fields)


async def test_a_key_that_was_seen(tmp_path):
    """Its desk gets the word, under the key that the alert was given there."""
    homes = Homes(tmp_path / "keys", "search")
    homes.remember(an_alert("mapped", integration="pd"), "k")
    (found,) = await homes.placed(ended(notes=["label service is missing"]), "k")
    assert (found.service, found.key, found.notes) == ("checkout", "mapped", [])
    assert homes.asked == 0


async def test_other_process_and_restart(tmp_path):
    """What one process has noted every other one finds, at once and later."""
    first, second = Homes(tmp_path / "keys"), Homes(tmp_path / "keys")
    for homes in (first, second):
        homes.remember(fired(), "k")
    first.remember(fired("search"), "new")
    for homes in (second, Homes(tmp_path / "keys")):
        assert [a.service for a in await homes.placed(ended(), "new")] == ["search"]


async def test_key_that_moved(tmp_path):
    """The map was changed between two alerts: both desks hear of its end."""
    homes = Homes(tmp_path / "keys")
    for service in ("checkout", "search", "search"):
        homes.remember(fired(service), "k")
    assert [a.service for a in await homes.placed(ended(), "k")] == ["search", "checkout"]


async def test_key_that_nobody_knows(tmp_path):
    """Every desk with an open incident is asked, and the one that the word itself names."""
    homes = Homes(tmp_path / "keys", "checkout", "search")
    assert [a.service for a in await homes.placed(ended(), "k")] == ["checkout", "search"]
    named = ended().model_copy(update={"service": "billing"})
    found = await homes.placed(named, "k")
    assert [a.service for a in found] == ["billing", "checkout", "search"]
    (lone,) = await Homes(tmp_path / "none").placed(ended(), "k")
    assert lone.service == "unknown", "it is handed over all the same, so that nothing is lost"


async def test_integrations_are_apart(tmp_path):
    """The same word of another integration is another key."""
    homes = Homes(tmp_path / "keys", "search")
    homes.remember(fired(), "k")
    other = ended().model_copy(update={"integration": "pd2"})
    assert [a.service for a in await homes.placed(other, "k")] == ["search"]


async def test_fired_and_over(tmp_path):
    """What fires is noted before anybody delivers it; what follows is placed."""
    homes = Homes(tmp_path / "keys")
    alert = fired()
    assert await homes.settle([alert], "k") == [alert]
    (over,) = await homes.settle([ended()], "k")
    assert (over.service, over.status) == ("checkout", AlertStatus.RESOLVED)


# The notebook.


def test_repeats_cost_nothing(tmp_path):
    """A value that is known is not written again."""
    file = tmp_path / "a" / "notes"
    notes = Notebook(file)
    for _ in range(100):
        notes.put({"k": {"v": 1}})
    assert file.read_text().count("\n") == 1
    assert oct(file.stat().st_mode & 0o777) == "0o600"


def test_it_is_bounded(tmp_path):
    """Of names in memory and of bytes on disk; the newest stay, before and after a restart."""
    file = tmp_path / "notes"
    notes, watching = (Notebook(file, kept=50, max_bytes=4_000) for _ in range(2))
    for number in range(500):
        notes.put({f"k{number}": {"v": number}})
        if number % 40 == 0:
            assert watching.get(f"k{number}") == {"v": number}
    assert sum(one.stat().st_size for one in tmp_path.iterdir()) < 9_000
    for one in (notes, watching, Notebook(file, kept=50, max_bytes=4_000)):
        assert one.get("k499") == {"v": 499}
        assert one.get("k455") == {"v": 455}
        assert one.get("k3") is None


def test_torn_lines(tmp_path):
    """A crash of the machine may leave half a line: the names around it count."""
    file = tmp_path / "notes"
    Notebook(file).put({"a": {"v": 1}})
    with file.open("ab") as stream:
        stream.write(b'["b", {"v"\n[7, 8]\n[]\n"x"\n\xff\n["c", {"v": 3}]\n["half')
    notes = Notebook(file)
    assert (notes.get("a"), notes.get("b"), notes.get("c")) == ({"v": 1}, None, {"v": 3})


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written(tmp_path):
    """This process still knows."""
    tmp_path.chmod(0o500)
    notes = Notebook(tmp_path / "x" / "notes")
    notes.put({"a": {"v": 1}})
    assert notes.get("a") == {"v": 1}
    tmp_path.chmod(0o700)


def test_a_full_disk(tmp_path, monkeypatch):
    """An alert never fails for it; later the notes are written again."""
    notes = Notebook(tmp_path / "notes")

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        notes.put({"a": {"v": 1}})
        assert notes.get("a") == {"v": 1}
    notes.put({"b": {"v": 2}})
    assert json.loads((tmp_path / "notes").read_text()) == ["b", {"v": 2}]

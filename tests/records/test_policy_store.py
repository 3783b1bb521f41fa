"""The policy in force: versions, the pointer, overrides made at run time, faults of the disk."""

from __future__ import annotations

import json
import threading
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from domain.errors import PolicyError, UnknownNameError
from domain.policy.model import Policy
from domain.policy.rota import Override
from domain.roster import Entry, RosterCopy
from records.policy_file import LoadedPolicy, canonical_json, read_policy, version_of
from records.policy_store import PolicyStore

AT = datetime(2026, 3, 1, tzinfo=UTC)
EVERYTHING = """
organisation: {catch_all: [person:bob], working_hours: {days: [sat, mon-wed], from: "8:30", to: "24:00"}}
people:
  alice: {contacts: [{channel: sms, to: "+4915550001"}]}
  bob: {contacts: [{channel: email, to: bob@example.com}]}
schedules:
  night:
    rotations:
      - people: [alice, bob]
        every: 2 weeks
        handover: {day: tue, at: "09:00"}
        starts: 2026-01-05
        restrict: {days: [fri-mon], from: "22:00", to: "06:00"}
    overrides: [{from: 2026-12-24T18:00, to: 2026-12-26T09:00, person: null, instead_of: alice}]
    holidays: {country: DE, subdivision: BE, people: [bob]}
escalation_policies: {night: {steps: [{page: [schedule:night]}], repeat_after: 90s}}
services: {shop: {escalation: night, on_clear: resolve, fold: key}}
severities: {WORST: {major: true}, SEV2: {page: never}, SEV1: {}}
integrations: {am: {format: alertmanager, key: "env:KEY", map: {severity: {label: l, default: SEV2}}}}
maintenance:
  windows:
    move: {services: [shop], from: 2026-11-28T22:00, to: 2026-11-29T02:00, timezone: UTC, reason: r}
    all: {services: all, from: 2026-11-28T22:00, to: 2026-11-29T02:00, reason: r}
heartbeats: {backup: {every: 1d, grace: 1h, service: shop, on_return: stay, enabled: false}}
"""


def loaded(tmp_path: Path, text: str = EVERYTHING) -> LoadedPolicy:
    """A policy as read from a file."""
    file = tmp_path / "policy.yaml"
    file.write_text(text, encoding="utf-8")
    return read_policy(file, at=AT)


def override(person: str | None = "bob", instead_of: str | None = None, day: int = 2) -> Override:
    """An override of one morning."""
    return Override(
        start=datetime(2026, 3, day, 8),  # noqa: DTZ001 wall time
        end=datetime(2026, 3, day, 12),  # noqa: DTZ001 wall time
        person=person,
        instead_of=instead_of,
    )


def test_a_stored_policy_comes_back_exactly(tmp_path: Path) -> None:
    """What was adopted is what every other process reads, holidays and order included."""
    policy = loaded(tmp_path)
    version = PolicyStore(tmp_path).adopt(policy)
    again, stored = PolicyStore(tmp_path).current()
    assert (again, stored) == (version, policy.policy)
    assert canonical_json(stored) == canonical_json(policy.policy)
    assert version_of(stored) == version
    assert list(stored.severities) == ["WORST", "SEV2", "SEV1"]
    assert stored.schedules["night"].holidays is not None
    assert date(2026, 3, 8) in stored.schedules["night"].holidays.dates


def test_the_version_does_not_depend_on_layout(tmp_path: Path) -> None:
    """Comments and spacing make no new version; a changed value does."""
    first = loaded(tmp_path)
    assert loaded(tmp_path, "# a comment\n\n" + EVERYTHING).version == first.version
    assert loaded(tmp_path, EVERYTHING.replace("90s", "1m30s")).version == first.version
    assert loaded(tmp_path, EVERYTHING.replace("90s", "91s")).version != first.version


def test_another_process_sees_an_adoption(tmp_path: Path) -> None:
    """A worker that has read the old policy finds the new one at its next look."""
    worker, api = PolicyStore(tmp_path), PolicyStore(tmp_path)
    old = api.adopt(loaded(tmp_path))
    assert worker.current()[0] == old
    new = api.adopt(loaded(tmp_path, EVERYTHING.replace("fold: key", "tier: 3")))
    version, policy = worker.current()
    assert version == new != old
    assert policy.services["shop"].tier == 3
    assert worker.version(old).services["shop"].tier == 1


def test_an_unchanged_policy_is_not_read_again(tmp_path: Path) -> None:
    """Asking often is cheap: the same object is answered."""
    store = PolicyStore(tmp_path)
    store.adopt(loaded(tmp_path))
    assert store.current()[1] is store.current()[1]


@pytest.mark.parametrize("damage", ["gone", "nonsense", "unknown", "folder", "bytes", "truncated"])
def test_the_last_good_policy_survives_damage(tmp_path: Path, damage: str) -> None:
    """With the pointer or the file broken, paging goes on by the last good policy, and says so."""
    store = PolicyStore(tmp_path)
    version = store.adopt(loaded(tmp_path))
    before = store.current()
    pointer = tmp_path / "policy" / "current"
    pointer.unlink()
    if damage == "nonsense":
        pointer.write_text("../../etc/passwd")
    elif damage == "unknown":
        pointer.write_text("0123456789ab")
    elif damage == "folder":
        pointer.mkdir()
    elif damage == "bytes":
        pointer.write_bytes(b"\xff\xfe\x00")
    elif damage == "truncated":
        (tmp_path / "policy" / "0123456789ab.json").write_text('{"version": 1, "peo')
        pointer.write_text("0123456789ab")
    assert store.current() == before
    assert store.fault
    assert "unreadable" in store.fault
    with pytest.raises(PolicyError):
        PolicyStore(tmp_path).current()
    if damage == "folder":
        pointer.rmdir()
    pointer.write_text(version)
    assert store.current() == before
    assert store.fault is None


def test_an_empty_folder_has_no_policy(tmp_path: Path) -> None:
    """Before anything is adopted there is a clear error, not a default policy."""
    with pytest.raises(PolicyError, match="policy"):
        PolicyStore(tmp_path).current()


@pytest.mark.parametrize("version", ["", "..", "../current", "0" * 12, "current", "A" * 12])
def test_an_unknown_version_is_refused(tmp_path: Path, version: str) -> None:
    """A version is a name, never a path."""
    store = PolicyStore(tmp_path)
    store.adopt(loaded(tmp_path))
    with pytest.raises(UnknownNameError):
        store.version(version)


def test_a_broken_reload_keeps_the_current_policy(tmp_path: Path) -> None:
    """Reloading a file with mistakes names them all and changes nothing."""
    store = PolicyStore(tmp_path)
    store.adopt(loaded(tmp_path))
    before = store.current()
    file = tmp_path / "broken.yaml"
    file.write_text("services: {shop: {team: nobody}, x: {tier: 9}}")
    with pytest.raises(PolicyError) as refused:
        store.reload(file, at=AT)
    assert {problem.where for problem in refused.value.problems} == {
        "services.shop.team",
        "services.x.tier",
    }
    assert store.current() == before
    file.write_text("services: {shop: {tier: 2}}")
    assert store.reload(file, at=AT).version == store.current()[0] != before[0]


def entry(number: int = 1, day: int = 2, **fields: Any) -> Entry:
    """An override of one morning, as the roster holds it."""
    return Entry(
        id=f"o{number}",
        schedule=fields.pop("schedule", "night"),
        override=override(day=day, **fields),
        starts_at=datetime(2026, 3, day, 7, tzinfo=UTC),
        ends_at=datetime(2126, 3, day, 11, tzinfo=UTC),
        actor="bob",
        made_at=AT,
    )


def keep(store: PolicyStore, *entries: Entry, version: int = 1) -> int:
    """Write the roster's copy."""
    return store.files.write_roster(RosterCopy(version=version, entries=list(entries)))


def test_overrides_made_at_run_time_are_part_of_the_policy(tmp_path: Path) -> None:
    """An override lasts over reloads and restarts, after those of the file and of an earlier version."""
    store = PolicyStore(tmp_path)
    store.adopt(loaded(tmp_path))
    old = {"night": [override(None, "alice", 3).model_dump(mode="json", by_alias=True)]}
    (tmp_path / "policy" / "overrides.json").write_text(json.dumps(old))
    keep(store, entry())
    for reader in (store, PolicyStore(tmp_path)):
        merged = reader.current()[1].schedules["night"].overrides
        assert merged[1:] == [override(None, "alice", 3), override()]
        assert reader.base().schedules["night"].overrides[1:] == [override(None, "alice", 3)]
    version = store.current()[0]
    assert len(store.version(version).schedules["night"].overrides) == 1
    store.adopt(loaded(tmp_path, EVERYTHING + "limits: {shift: 4h}\n"))
    assert len(store.current()[1].schedules["night"].overrides) == 3


def test_an_override_for_somebody_gone_is_told_and_left_out(tmp_path: Path) -> None:
    """After a person leaves the policy the regular turn is paged, and the reload says so."""
    store = PolicyStore(tmp_path)
    store.adopt(loaded(tmp_path))
    keep(store, entry(person="alice"))
    file = tmp_path / "smaller.yaml"
    file.write_text(
        "people: {bob: {contacts: [{channel: email, to: b@example.com}]}}\n"
        "schedules: {night: {rotations: [{people: [bob], starts: 2026-01-05}]}}\n"
    )
    warnings = store.reload(file, at=AT).warnings
    assert [one.where for one in warnings] == ["schedules.night.overrides"]
    assert "alice" in warnings[0].detail
    assert store.current()[1].schedules["night"].overrides == []
    file.write_text("people: {alice: {contacts: [{channel: email, to: a@example.com}]}}\n")
    assert [one.where for one in store.reload(file, at=AT).warnings] == ["schedules.night"]


@pytest.mark.parametrize("name", ["roster.json", "overrides.json"])
def test_a_damaged_copy_does_not_stop_the_policy(tmp_path: Path, name: str) -> None:
    """With a copy broken the last good one counts, and a fresh process has a policy to page by."""
    store = PolicyStore(tmp_path)
    store.adopt(loaded(tmp_path))
    keep(store, entry())
    store.current()
    (tmp_path / "policy" / name).write_text("{")
    assert override() in store.current()[1].schedules["night"].overrides
    fresh = PolicyStore(tmp_path)
    assert isinstance(fresh.current()[1], Policy)
    assert fresh.fault
    assert name in fresh.fault


def test_a_damaged_copy_is_kept_aside(tmp_path: Path) -> None:
    """What is not ours is not thrown away when the next copy replaces it."""
    store = PolicyStore(tmp_path)
    store.adopt(loaded(tmp_path))
    (tmp_path / "policy" / "roster.json").write_text("{mine")
    assert keep(store, entry()) == 1
    assert (tmp_path / "policy" / "roster.damaged.json").read_text() == "{mine"
    assert [one.id for one in store.files.roster().entries] == ["o1"]


def test_copies_written_at_the_same_time_leave_the_newest(tmp_path: Path) -> None:
    """However attempts overtake each other, an older copy never replaces a newer one."""
    PolicyStore(tmp_path).adopt(loaded(tmp_path))

    def write(version: int) -> None:
        keep(PolicyStore(tmp_path), entry(version), version=version)

    threads = [threading.Thread(target=write, args=(n,)) for n in (5, 12, 3, 9, 1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert PolicyStore(tmp_path).files.roster().version == 12


def test_no_half_written_file_is_left(tmp_path: Path) -> None:
    """The folder holds the pointer, the versions and the lock, and nothing temporary."""
    store = PolicyStore(tmp_path)
    version = store.adopt(loaded(tmp_path))
    names = {file.name for file in (tmp_path / "policy").iterdir()}
    assert names == {"current", "lock", f"{version}.json"}

"""The status page as files, in folders and in an S3 on a real socket: what is written, and in which order."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from activities.publishing import (
    FolderTarget,
    Place,
    PublishError,
    StoreSettings,
    StoreTarget,
    Targets,
    Written,
    write_everywhere,
)
from activities.publishing.target import Site
from domain.policy.communications import PublishTarget
from templates.status_site import File
from tests.fakes.s3 import BUCKET, KEY, SECRET, S3Fake, s3_fake

HTML = "text/html; charset=utf-8"


def a_site(**files: str) -> dict[str, File]:
    """A small site; more files, or other words in them, by name."""
    texts = {
        "index.html": "all is well",
        "style.css": "p{}",
        "history.html": "nothing",
        "incidents/a1.html": "over",
        "api/v2/status.json": "{}",
    } | {name.replace("__", "/"): text for name, text in files.items()}
    return {
        path: File(text.encode(), HTML if path.endswith(".html") else "application/json")
        for path, text in texts.items()
    }


@pytest.fixture(scope="module")
def storage() -> Iterator[S3Fake]:
    with s3_fake() as fake:
        yield fake


@pytest.fixture
def s3(storage: S3Fake) -> S3Fake:
    """The storage, empty and not asked anything yet."""
    for key in storage.keys():  # noqa: SIM118 - a method of the fake
        storage.client().delete_object(Bucket=BUCKET, Key=key)
    storage.asked.clear()
    storage.status = 0
    return storage


def a_store(s3: S3Fake, where: str = f"s3://{BUCKET}/www", **settings: Any) -> StoreTarget:
    known = {
        "status_store_access_key_id": KEY,
        "status_store_secret_access_key": SECRET,
        "tocsin_egress_allow": "127.0.0.1",
    }
    return StoreTarget(
        PublishTarget(store=where, endpoint=s3.url),
        StoreSettings.model_validate(known | settings),
    )


async def failure(target: StoreTarget | FolderTarget, site: Site | None = None) -> str:
    with pytest.raises(PublishError) as caught:
        await target.write(site or a_site())
    return str(caught.value)


# Folders.


async def test_a_folder_gets_every_file(tmp_path: Path) -> None:
    """The folder is made where there is none, and holds the site and nothing half-written."""
    target = FolderTarget(tmp_path / "srv" / "www")
    written = await target.write(a_site())
    found = {
        p.relative_to(target.folder).as_posix() for p in target.folder.rglob("*") if p.is_file()
    }
    assert found == set(a_site())
    assert written == Written(5, 5, 0, sum(len(file.body) for file in a_site().values()))


async def test_only_what_changed_is_written(tmp_path: Path) -> None:
    """The same site again touches no file; one other word touches one."""
    target = FolderTarget(tmp_path)
    await target.write(a_site())
    before = (tmp_path / "style.css").stat().st_mtime_ns
    assert (await target.write(a_site()))[1:] == (0, 0, 0)
    assert (await target.write(a_site(**{"index.html": "down"})))[1:] == (1, 0, 4)
    assert (tmp_path / "style.css").stat().st_mtime_ns == before
    assert (tmp_path / "index.html").read_text() == "down"


async def test_another_process_sees_what_is_there(tmp_path: Path) -> None:
    """What counts is what stands in the folder: somebody who spoiled it is corrected."""
    await FolderTarget(tmp_path).write(a_site())
    (tmp_path / "index.html").write_text("defaced")
    assert (await FolderTarget(tmp_path).write(a_site())).changed == 1
    assert (tmp_path / "index.html").read_text() == "all is well"


async def test_old_pages_go_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    """The page of an incident out of the history is taken away; a logo beside it is not."""
    target = FolderTarget(tmp_path)
    await target.write(a_site(**{"incidents/old.html": "long over"}))
    for name in ("logo.png", "about.html", "incidents/notes.txt"):
        (tmp_path / name).write_text("ours")
    assert (await target.write(a_site())).removed == 1
    assert not (tmp_path / "incidents/old.html").exists()
    assert all((tmp_path / name).exists() for name in ("logo.png", "about.html"))


async def test_nobody_reads_half_of_a_file(tmp_path: Path) -> None:
    """While large pages are written over and over, each read is one of the whole versions."""
    target, sizes = FolderTarget(tmp_path), set()
    versions = [a_site(**{"index.html": letter * 2_000_000}) for letter in "ab"]
    await target.write(versions[0])
    is_over = threading.Event()

    def read() -> None:
        while not is_over.is_set():
            body = (tmp_path / "index.html").read_bytes()
            sizes.add((len(body), len(set(body))))

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(20):
        await target.write(versions[turn % 2])
    is_over.set()
    reader.join()
    assert sizes == {(2_000_000, 1)}


async def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """A file where the folder should be is named, with what the system says."""
    (tmp_path / "www").write_text("a file")
    assert "cannot be written" in await failure(FolderTarget(tmp_path / "www"))


async def test_a_hung_disk_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mount that never answers costs its own time and nobody else's."""
    monkeypatch.setattr("activities.publishing.folder._read", lambda file: time.sleep(3))
    assert "within 0.05 s" in await failure(FolderTarget(tmp_path, seconds=0.05))


# Storages.


async def test_a_storage_gets_every_file_with_its_kind(s3: S3Fake) -> None:
    """Each object has its media type, may be kept for seconds only, and the first page comes last."""
    written = await a_store(s3).write(a_site())
    assert written.changed == 5
    assert set(s3.keys()) == {f"www/{path}" for path in a_site()}
    head = s3.head("www/index.html")
    assert head["ContentType"] == HTML
    assert "max-age=10" in head["CacheControl"]
    assert s3.puts()[-1].endswith("/index.html")
    assert s3.body("www/index.html") == b"all is well"


async def test_only_what_differs_is_put(s3: S3Fake) -> None:
    """Another process, which remembers nothing, puts nothing either: the storage is asked what it has."""
    await a_store(s3).write(a_site())
    s3.asked.clear()
    assert (await a_store(s3).write(a_site())).changed == 0
    assert [method for method, _ in s3.asked] == ["GET"]
    await a_store(s3).write(a_site(**{"style.css": "b{}"}))
    assert [path.rpartition("/")[2] for path in s3.puts()] == ["style.css"]


async def test_old_objects_go_and_others_stay(s3: S3Fake) -> None:
    """Pages out of the history are deleted, below our prefix only; what others keep there stays."""
    await a_store(s3).write(a_site(**{"incidents/old.html": "long over"}))
    for key in ("www/logo.png", "incidents/other.html"):
        s3.client().put_object(Bucket=BUCKET, Key=key, Body=b"theirs")
    assert (await a_store(s3).write(a_site())).removed == 1
    kept = s3.keys()
    assert "www/incidents/old.html" not in kept
    assert {"www/logo.png", "incidents/other.html"} <= set(kept)


async def test_the_whole_bucket_may_be_the_site(s3: S3Fake) -> None:
    """Without a prefix the files stand at the root."""
    await a_store(s3, f"s3://{BUCKET}").write(a_site())
    assert "index.html" in s3.keys()  # noqa: SIM118


async def test_a_storage_that_names_contents_otherwise_is_believed(s3: S3Fake) -> None:
    """Encrypted by keys of its own, an object's name is no MD5: what our put was answered counts."""
    target = a_store(s3)
    await target.write(a_site())
    real = target._listed

    async def renamed(store: Any) -> dict[str, str]:
        return {path: f"kms-{name}" for path, name in (await real(store)).items()}

    target._listed = renamed  # type: ignore[method-assign]
    assert (await target.write(a_site())).changed == 5
    target._put = {path: (digest, f"kms-{name}") for path, (digest, name) in target._put.items()}
    assert (await target.write(a_site())).changed == 0


@pytest.mark.parametrize("status", [500, 503])
async def test_a_storage_in_trouble_is_told_by_its_status(s3: S3Fake, status: int) -> None:
    """One attempt, no waiting in the library: whoever keeps the page published tries again."""
    s3.status = status
    assert s3.url not in await failure(a_store(s3))
    assert len(s3.asked) == 1


async def test_wrong_keys_are_told_with_the_rights_that_are_needed(s3: S3Fake) -> None:
    """A key that the storage does not know: what it must be allowed to do is said, no secret is."""
    said = await failure(a_store(s3, status_store_access_key_id="AKIDOTHER"))
    assert "s3:PutObject" in said
    assert SECRET not in said


async def test_a_bucket_that_is_not_there_is_named(s3: S3Fake) -> None:
    """A typing error in the bucket's name is found by its message."""
    assert "s3://statsu" in await failure(a_store(s3, "s3://statsu/www"))


async def test_without_keys_nothing_is_asked(s3: S3Fake) -> None:
    """No key is borrowed from the machine or its cloud: the variables that are missing are named."""
    target = StoreTarget(PublishTarget(store=f"s3://{BUCKET}", endpoint=s3.url), StoreSettings())
    assert "STATUS_STORE_ACCESS_KEY_ID" in await failure(target)
    assert s3.asked == []


async def test_amazons_own_names_of_the_keys_will_do(s3: S3Fake) -> None:
    """Whoever has AWS_* set needs no second name for them."""
    settings = StoreSettings.from_environment(
        {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "TOCSIN_EGRESS_ALLOW": "127.0.0.1",
        }
    )
    target = StoreTarget(PublishTarget(store=f"s3://{BUCKET}/aws", endpoint=s3.url), settings)
    assert (await target.write(a_site())).changed == 5


async def test_an_endpoint_inside_the_network_has_to_be_named(s3: S3Fake) -> None:
    """A policy cannot lead the site, and our keys, to a private address that nobody allowed."""
    assert "TOCSIN_EGRESS_ALLOW" in await failure(a_store(s3, tocsin_egress_allow=""))
    assert s3.asked == []


async def test_a_proxy_of_the_environment_is_not_used_for_the_storage(
    s3: S3Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever can set a variable does not get between us and the page."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert (await a_store(s3).write(a_site())).changed == 5


async def test_a_proxy_that_was_named_for_it_is_used(s3: S3Fake) -> None:
    """With TOCSIN_CHANNEL_PROXY nothing goes past it."""
    await failure(a_store(s3, tocsin_channel_proxy="http://127.0.0.1:9"))
    assert s3.asked == []


async def test_five_hundred_incidents_go_out_in_no_time(s3: S3Fake, tmp_path: Path) -> None:
    """After one update only what it changed is put, however much stands there."""
    pages = {f"incidents/i{n}.html": "x" * 20_000 for n in range(500)}
    target = FolderTarget(tmp_path)
    await target.write(a_site(**pages))
    took = []
    for number in range(3):  # the best of three counts, for a machine may stand still
        started = time.monotonic()
        written = await target.write(a_site(**pages, **{"index.html": f"down {number}"}))
        took.append(time.monotonic() - started)
        assert (written.files, written.changed) == (505, 1)
    assert min(took) < 2, "without a load about 20 ms"


# All places together.


async def test_one_place_that_fails_holds_up_no_other(tmp_path: Path) -> None:
    """Each place has its own outcome."""
    (tmp_path / "b").write_text("a file")
    targets = [Place(FolderTarget(tmp_path / name)) for name in "ab"]
    outcomes = await write_everywhere(a_site(), targets)
    assert isinstance(outcomes[targets[0].name], Written)
    assert isinstance(outcomes[targets[1].name], PublishError)


async def test_an_older_page_never_ends_up_over_a_newer_one(tmp_path: Path) -> None:
    """Two writings in one process: the page that was made first does not come last."""
    place = Place(FolderTarget(tmp_path))
    await place.write(a_site(**{"index.html": "resolved"}), 2)
    await place.write(a_site(**{"index.html": "investigating"}), 1)
    assert (tmp_path / "index.html").read_text() == "resolved"


async def test_an_older_page_is_not_out_where_the_newer_one_failed(tmp_path: Path) -> None:
    """What is left out because of a newer page has that one's outcome; once it is there, that is told."""
    (tmp_path / "www").write_text("a file")
    place = Place(FolderTarget(tmp_path / "www"))
    newer = await place.write(a_site(), 2)
    assert isinstance(newer, PublishError)
    assert await place.write(a_site(), 1) is newer
    (tmp_path / "www").unlink()
    await place.write(a_site(), 3)
    assert await place.write(a_site(), 2) == Written(5, 0, 0, 0)


def test_the_places_of_a_policy(tmp_path: Path) -> None:
    """A relative folder begins in the data folder; a place is the same one as long as it is named."""
    wanted = [
        PublishTarget(folder="www"),
        PublishTarget(folder="/srv/x"),
        PublishTarget(store="s3://b/p"),
    ]
    targets = Targets(tmp_path, StoreSettings())
    found = targets.of(wanted)
    assert [one.name for one in found] == [
        f"folder:{tmp_path / 'www'}",
        "folder:/srv/x",
        "s3://b/p",
    ]
    assert targets.of(wanted[1:])[0] is found[1]
    assert targets.of(wanted)[0] is not found[0]


def test_where_nothing_is_sent_only_folders_are_written(tmp_path: Path) -> None:
    """With delivery `outbox` nothing leaves the machine."""
    wanted = [PublishTarget(folder="www"), PublishTarget(store="s3://b/p")]
    assert len(Targets(tmp_path, None).of(wanted)) == 1


async def test_two_processes_may_write_at_once(tmp_path: Path) -> None:
    """Two workers that publish the same site leave it whole."""
    await asyncio.gather(*(FolderTarget(tmp_path).write(a_site()) for _ in range(6)))
    left = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert {p.relative_to(tmp_path).as_posix() for p in left} == set(a_site())

"""The published page: after an update at once, and kept as it should be whatever happens in between."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from activities.announcing import Announcer
from activities.channels.outbox import Outbox
from activities.delivery import Postman
from activities.keeping_published import KeepPublished
from activities.publishing import StoreSettings, Targets
from activities.status_page import SiteMaker, SitePublisher
from domain.maintenance import Window
from domain.messages import Announced, DeliveryState, Purpose
from domain.policy.model import Policy
from domain.status_page.maintenance import Windows
from domain.status_page.page import StatusPageModel, build_page
from records.database import RecordsUnavailableError
from templates.renderer import Renderer
from tests.fakes.organisation import NOW, FixedPolicy, a_policy, a_view, an_announcement

MINUTE = timedelta(minutes=1)


class Records:
    """Views of incidents, as the records have them; they may be away."""

    def __init__(self, *views: dict[str, Any]) -> None:
        self.views = {view["id"]: view for view in views}
        self.is_away = False
        self.reads = 0

    def page(
        self, policy: Policy, windows: Windows, at: datetime, overlay: Sequence[dict[str, Any]] = ()
    ) -> StatusPageModel:
        self.reads += 1
        if self.is_away:
            raise RecordsUnavailableError("the database does not answer")
        views = dict(self.views)
        for view in overlay:
            known = views.get(view["id"])
            if known is None or view["version"] >= known["version"]:
                views[view["id"]] = view
        return build_page(policy, list(views.values()), windows, at)


class Desks:
    """Windows made at run time."""

    def __init__(self) -> None:
        self.windows: dict[str, list[Window]] = {}

    async def made(self, services: Iterable[str]) -> Windows:
        return self.windows


class World:
    """One worker's publishing, on a clock that a test moves."""

    def __init__(
        self, folder: Path, *targets: dict[str, Any], views: Sequence[dict[str, Any]] = ()
    ) -> None:
        self.folder, self.now = folder, NOW
        self.records, self.desks = Records(*views), Desks()
        self.outbox = Outbox(folder / "outbox")
        self.policy = FixedPolicy(self.a_policy(*(targets or ({"folder": "www"},))))
        self.postman = Postman("live", {}, self.outbox, self.clock)
        renderer = Renderer()
        targets_ = Targets(folder, StoreSettings())
        maker = SiteMaker(self.records, self.desks, renderer, self.clock)
        self.publisher = SitePublisher(self.policy, maker, targets_, self.clock)
        self.keeper = KeepPublished(
            self.policy, maker, targets_, self.postman, folder / "run", self.clock
        )
        self.announcer = Announcer(
            self.policy, renderer, self.postman, self.clock, site=self.publisher
        )

    @staticmethod
    def a_policy(*targets: dict[str, Any]) -> Policy:
        page = {"title": "Example status", "publish_to": list(targets)}
        services = {"checkout": {"name": "Checkout", "escalation": "payments", "public": True}}
        return a_policy(status_page=page, services=services)

    def clock(self) -> datetime:
        return self.now

    def index(self, where: str = "www") -> str:
        return (self.folder / where / "index.html").read_text()

    async def announce(self, view: dict[str, Any], *settled: str) -> Announced:
        return await self.announcer.announce(
            an_announcement(
                "status_page", view=view, key="checkout-17/update/external/1",
                purpose=Purpose.EXTERNAL_UPDATE, template="external_update",
                context={"text": "Cards fail", "variant": "initial", "status": "investigating"},
                settled=list(settled),
            )
        )  # fmt: skip

    def told(self) -> list[str]:
        """What the operator was told."""
        files = sorted(self.outbox.folder.glob("*.operator.*.json"))
        return [json.loads(file.read_text())["text"] for file in files]

    async def pass_by(self, minutes: int) -> None:
        for _ in range(minutes):
            self.now += MINUTE
            await self.keeper.look()


def a_public_view(
    version: int = 5, text: str = "Payments by card fail", **changes: Any
) -> dict[str, Any]:
    """An open incident of which the outside has heard."""
    said = {
        "at": (NOW - 5 * MINUTE).isoformat(), "audience": "external", "text": text,
        "status": "investigating", "actor": "alice", "next_update_at": None, "audiences": None,
        "on_status_page": True, "approved_by": None,
    }  # fmt: skip
    return a_view(updates=[said], version=version, status="fixing", severity="SEV1") | changes


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


# After an update.


async def test_an_update_is_on_the_page_before_the_records_have_it(world: World) -> None:
    """The page is written with the incident as its update left it, and the outbox has its file."""
    done = await world.announce(a_public_view())
    assert "Payments by card fail" in world.index()
    assert {one.channel: one.state for one in done.deliveries} == {
        "status_page": DeliveryState.SENT, "folder": DeliveryState.SENT,
    }  # fmt: skip


async def test_an_internal_update_publishes_nothing(world: World) -> None:
    """Only what the outside is told changes what stands outside."""
    request = an_announcement("status_page", view=a_public_view())
    await world.announcer.announce(request)
    assert not (world.folder / "www").exists()


async def test_a_place_that_fails_is_tried_again_and_the_others_are_left_alone(
    tmp_path: Path,
) -> None:
    """One outcome for each place: only the one that failed is in the next attempt."""
    world = World(tmp_path, {"folder": "www"}, {"folder": "broken"})
    (tmp_path / "broken").write_text("a file")
    first = await world.announce(a_public_view())
    (failed,) = first.unsettled()
    assert "broken" in failed.detail
    settled = [one.key for one in first.deliveries if one.key != failed.key]
    (tmp_path / "www" / "index.html").write_text("untouched")
    (tmp_path / "broken").unlink()
    second = await world.announce(a_public_view(), *settled)
    assert [(one.key, one.state) for one in second.deliveries] == [(failed.key, DeliveryState.SENT)]
    assert world.index() == "untouched"
    assert "Payments by card fail" in world.index("broken")


async def test_records_that_are_away_leave_the_old_page(world: World) -> None:
    """Half of the truth is not published: the attempt fails, is repeated, and the file is there."""
    await world.announce(a_public_view())
    world.records.is_away = True
    done = await world.announce(a_public_view(text="Worse"))
    assert [one.state for one in done.unsettled()] == [DeliveryState.FAILED]
    assert "Payments by card fail" in world.index()


async def test_what_was_missed_while_the_records_were_away_is_settled_later(world: World) -> None:
    """The failure is that of each place: once it has the page, nothing is left that was not sent."""
    world.records.is_away = True
    (missed,) = (await world.announce(a_public_view())).unsettled()
    assert missed.channel == "folder"
    world.records.is_away = False
    done = await world.announce(a_public_view())
    assert done.unsettled() == []
    assert missed.key in [one.key for one in done.deliveries]


async def test_without_places_the_file_in_the_outbox_is_all(tmp_path: Path) -> None:
    """Nobody has to publish: nothing is made, nothing is read."""
    world = World(tmp_path)
    world.policy.policy = World.a_policy()
    done = await world.announce(a_public_view())
    assert [one.channel for one in done.deliveries] == ["status_page"]
    assert world.records.reads == 0


async def test_records_that_are_behind_do_not_undo_an_update(world: World) -> None:
    """The page is looked after a moment later, and the records know nothing of the update yet."""
    await world.announce(a_public_view())
    await world.pass_by(1)
    assert "Payments by card fail" in world.index()


async def test_the_newer_of_two_views_counts(world: World) -> None:
    """Once the records are ahead, what was remembered of the update is not shown any more."""
    await world.announce(a_public_view(5))
    world.records.views["checkout-17"] = a_public_view(9, "All cards work again")
    await world.pass_by(1)
    assert "All cards work again" in world.index()


# In between.


async def test_a_window_that_begins_and_ends_is_published_by_itself(world: World) -> None:
    """Planned work is on the page while it lasts, without anybody's update."""
    await world.keeper.look()
    quiet = world.index()
    at = NOW + 2 * MINUTE
    window = Window(id="w1", start=at, end=at + 3 * MINUTE, reason="secret reason", source="api")
    world.desks.windows = {"checkout": [window]}
    await world.pass_by(3)
    during = world.index()
    assert "maintenance" in during.lower()
    assert "secret reason" not in during
    await world.pass_by(4)
    assert world.index() not in (quiet, during)


async def test_a_page_that_stays_the_same_is_not_written(world: World) -> None:
    """Minutes without news touch no place."""
    await world.keeper.look()
    index = world.folder / "www" / "index.html"
    index.write_text("touched by hand")
    await world.pass_by(1)
    assert world.index() == "touched by hand"


async def test_what_somebody_spoiled_is_put_right(world: World) -> None:
    """Every place is looked at now and then, although the page is the same."""
    await world.keeper.look()
    (world.folder / "www" / "index.html").write_text("defaced")
    await world.pass_by(11)
    assert "Example status" in world.index()


async def test_a_place_that_goes_on_failing_is_told_once(tmp_path: Path) -> None:
    """After three failures the operator hears of it, once; and when it works again."""
    world = World(tmp_path, {"folder": "www"}, {"folder": "broken"})
    (tmp_path / "broken").write_text("a file")
    await world.pass_by(2)
    assert world.told() == []
    await world.pass_by(20)
    assert len(world.told()) == 1
    assert "broken" in world.told()[0]
    assert "Example status" in world.index()
    (tmp_path / "broken").unlink()
    await world.pass_by(1)
    assert any("published again" in said for said in world.told())
    assert "Example status" in world.index("broken")


async def test_how_the_places_stand_is_noted_for_the_doctor(tmp_path: Path) -> None:
    """A file says of each place when it was right last, how often it failed since, and why."""
    world = World(tmp_path, {"folder": "www"}, {"folder": "broken"})
    (tmp_path / "broken").write_text("a file")
    await world.pass_by(2)
    noted = json.loads((tmp_path / "run" / "status-page.json").read_text())
    good, bad = noted[f"folder:{tmp_path}/www"], noted[f"folder:{tmp_path}/broken"]
    assert (good["failures"], bad["failures"], bad["published_at"]) == (0, 2, None)
    assert "cannot be written" in bad["why"]
    world.policy.policy = World.a_policy()
    await world.pass_by(1)
    assert not (tmp_path / "run" / "status-page.json").exists()


async def test_a_page_that_cannot_be_made_is_a_failure_of_every_place(world: World) -> None:
    """Records that stay away are told like any other trouble, and the old page stands."""
    await world.keeper.look()
    world.records.is_away = True
    await world.pass_by(3)
    assert len(world.told()) == 1
    assert "Example status" in world.index()

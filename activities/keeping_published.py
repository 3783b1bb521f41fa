"""Keeping the published page as it should be without an update: windows begin and end, days pass.

A place that fails goes on being tried, and the operator hears of it once.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import structlog
from temporalio.client import Client

from activities.channels.base import Outgoing
from activities.delivery import Postman
from activities.looking_up import PolicySource, why
from activities.planned_work import DeskWindows
from activities.publishing import (
    PublishError,
    Site,
    StoreSettings,
    Targets,
    Written,
    write_everywhere,
)
from activities.status_page import PageSource, SiteMaker, SitePublisher
from domain.messages import Purpose
from records.shared_files import replace_file
from templates.renderer import Renderer

EVERY_SECONDS = 60.0
VERIFY_AFTER = timedelta(minutes=10)
"""A place that should be right is looked at this often: somebody may have emptied it."""
TOLD_AFTER = 3
"""Failures in a row after which the operator is told, once."""
STATE_FILE = "status-page.json"
"""In the folder `run`, for `tocsin doctor`."""

log = structlog.get_logger(__name__)


class _Standing(NamedTuple):
    """How one place stands, as this process knows it."""

    digest: str = ""
    at: datetime | None = None
    """When it was last known to be right."""
    failures: int = 0
    """In a row."""
    failing_since: datetime | None = None
    why: str = ""


class KeepPublished:
    """Writes the page anew where it differs from what a place got last: windows that begin, days that end.

    Two workers may do it at once.

    Args:
        folder: where the state is noted for `tocsin doctor`.
    """

    def __init__(
        self,
        policy: PolicySource,
        maker: SiteMaker,
        targets: Targets,
        postman: Postman,
        folder: Path,
        clock: Callable[[], datetime],
    ) -> None:
        self._policy, self._maker, self._targets = policy, maker, targets
        self._postman, self._clock = postman, clock
        self._file = folder / STATE_FILE
        self._places: dict[str, _Standing] = {}

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            started = time.monotonic()
            try:
                await self.look()
            except Exception:
                # Whatever it was: the page of a minute ago stands, and in a minute there is another try.
                log.exception("status page not kept")
            await asyncio.sleep(max(1.0, EVERY_SECONDS - (time.monotonic() - started)))

    async def look(self) -> None:
        """Make the page once and write it where it is due."""
        policy = self._policy.current()[1]
        targets = self._targets.of(policy.status_page.publish_to)
        self._places = {one.name: self._places.get(one.name, _Standing()) for one in targets}
        if not targets:
            await asyncio.to_thread(self._file.unlink, missing_ok=True)
            return
        try:
            number, site = await self._maker.make(policy)
        except Exception as error:
            log.exception("status page not made")
            said = PublishError(f"the page could not be made: {why(error)}")
            for target in targets:
                await self._note(target.name, "", said)
        else:
            digest = await asyncio.to_thread(_digest, site)
            due = [one for one in targets if self._is_due(self._places[one.name], digest)]
            for name, result in (await write_everywhere(site, due, number)).items():
                await self._note(name, digest, result)
        await asyncio.to_thread(self._write_state)

    def _is_due(self, standing: _Standing, digest: str) -> bool:
        if standing.digest != digest or standing.failures or standing.at is None:
            return True
        return self._clock() - standing.at >= VERIFY_AFTER

    async def _note(self, name: str, digest: str, result: Written | PublishError) -> None:
        before, now = self._places[name], self._clock()
        if isinstance(result, PublishError):
            since = before.failing_since or now
            failures = before.failures + 1
            self._places[name] = before._replace(
                failures=failures, failing_since=since, why=str(result)
            )
            log.warning("status page not written", place=name, why=str(result), failures=failures)
            if failures == TOLD_AFTER:
                await self._tell(name, since, f"The status page cannot be published: {result}")
            return
        self._places[name] = _Standing(digest, now)
        if result.changed or result.removed:
            log.info("status page written", place=name, **result._asdict())
        if before.failures >= TOLD_AFTER:
            assert before.failing_since is not None
            minutes = int((now - before.failing_since).total_seconds() // 60)
            said = f"The status page is published again at {name}, after {minutes} minutes"
            await self._tell(name, before.failing_since, said, ends=True)

    async def _tell(self, name: str, since: datetime, what: str, *, ends: bool = False) -> None:
        log.error("operator told", text=what)
        hour = since.strftime("%Y-%m-%dT%H")  # two workers that see the same trouble tell it once
        await self._postman.deliver(
            Outgoing(
                key=f"status-page/{name}/{'again' if ends else 'failing'}/{hour}",
                incident="",
                purpose=Purpose.OPERATOR,
                channel="operator",
                to="operator",
                recipient="operator",
                subject=what[:160],
                text=what,
            )
        )

    def _write_state(self) -> None:
        """For `tocsin doctor`, which asks no worker."""
        said = {
            name: {
                "published_at": one.at.isoformat() if one.at else None,
                "failures": one.failures,
                "failing_since": one.failing_since.isoformat() if one.failing_since else None,
                "why": one.why,
            }
            for name, one in self._places.items()
        }
        self._file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self._file, json.dumps(said, indent=1) + "\n")


def _digest(site: Site) -> str:
    found = hashlib.sha256()
    for path in sorted(site):
        found.update(path.encode() + b"\0" + hashlib.sha256(site[path].body).digest())
    return found.hexdigest()


class Publication(NamedTuple):
    """The two that write the page: after each update, and in between."""

    publisher: SitePublisher
    keeper: KeepPublished

    @classmethod
    def build(
        cls,
        shared: tuple[PolicySource, Renderer, Postman, Callable[[], datetime]],
        client: Client,
        pages: PageSource,
        data: Path,
        environment: Mapping[str, str],
        public_url: str | None,
    ) -> Publication:
        """Put them together.

        Args:
            shared: policy, renderer, postman and clock, as every activity has them. In delivery `outbox`
                nothing leaves this machine, and only folders are written.
            data: the data folder.
            environment: where the keys of storages are found.
            public_url: where readers reach Tocsin; None where they cannot.
        """
        policy, renderer, postman, clock = shared
        stores = StoreSettings.from_environment(environment) if postman.mode == "live" else None
        targets = Targets(data, stores)
        maker = SiteMaker(pages, DeskWindows(client), renderer, clock, public_url)
        return cls(
            SitePublisher(policy, maker, targets, clock),
            KeepPublished(policy, maker, targets, postman, data / "run", clock),
        )

"""Publishing the status page as static files after each update, to every place of the policy.

What stands outside must not depend on us: where a new page cannot be made or written, the old one stays.
Between updates `keeping_published.py` looks after it.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from activities.looking_up import PolicySource, why
from activities.planned_work import MadeWindows
from activities.publishing import Place, PublishError, Site, Targets, Written, write_everywhere
from domain.errors import DeliveryReason
from domain.messages import Delivery, DeliveryState
from domain.policy.model import Policy
from domain.status_page.maintenance import Windows
from domain.status_page.page import StatusPageModel
from templates.renderer import Renderer
from templates.status_addresses import Addresses
from templates.status_site import build_site

REMEMBERED = timedelta(minutes=10)
"""How long an incident's view from its update counts beside the records, which may be behind."""

View = dict[str, Any]
log = structlog.get_logger(__name__)


class PageSource(Protocol):
    """Where the page is read; `records.status_page.StatusPageReader` is one. Blocking."""

    def page(
        self, policy: Policy, windows: Windows, at: datetime, overlay: Sequence[View] = ()
    ) -> StatusPageModel: ...


class SiteMaker:
    """Makes the files of the page as it stands.

    Args:
        public_url: where readers reach Tocsin itself, to subscribe; None where they cannot.
    """

    def __init__(
        self,
        pages: PageSource,
        windows: MadeWindows,
        renderer: Renderer,
        clock: Callable[[], datetime],
        public_url: str | None = None,
    ) -> None:
        self._pages, self._windows, self._renderer = pages, windows, renderer
        self._clock = clock
        self._addresses = Addresses(live=public_url.rstrip("/") if public_url else None)
        self._numbers = itertools.count(1)
        self._recent: dict[str, tuple[datetime, View]] = {}

    async def make(self, policy: Policy, overlay: Sequence[View] = ()) -> tuple[int, Site]:
        """A number that grows with each making, and the site now.

        Args:
            overlay: views that may be newer than the records.

        Raises:
            RecordsUnavailableError: the records do not answer.
            TemplateFaultError: a template is broken.
        """
        now = self._clock()
        self._recent |= {str(view["id"]): (now, view) for view in overlay}
        self._recent = {
            name: (at, view) for name, (at, view) in self._recent.items() if now - at < REMEMBERED
        }
        number, views = next(self._numbers), [view for _, view in self._recent.values()]
        windows = await self._windows.made(policy.services)
        return number, await asyncio.to_thread(self._make, policy, windows, views)

    def _make(self, policy: Policy, windows: Windows, overlay: Sequence[View]) -> Site:
        page = self._pages.page(policy, windows, self._clock(), overlay)
        return build_site(page, self._renderer, self._addresses)


class SitePublisher:
    """Brings an update that was just published to every place, each with an outcome of its own."""

    def __init__(
        self,
        policy: PolicySource,
        maker: SiteMaker,
        targets: Targets,
        clock: Callable[[], datetime],
    ) -> None:
        self._policy, self._maker = policy, maker
        self._targets, self._clock = targets, clock

    async def publish(
        self, view: Mapping[str, Any], key: str, settled: Collection[str] = ()
    ) -> list[Delivery]:
        """One attempt. Failure is an answer, not an exception; writing the same again does no harm.

        Args:
            view: the incident's, with the update: the records may not have it yet.
            key: of the announcement; those of the places begin with it.
            settled: keys of places that have it already.
        """
        places: dict[str, Place] = {}
        try:
            policy = self._policy.current()[1]
            places = {
                target.name: target
                for target in self._targets.of(policy.status_page.publish_to)
                if _key(key, target.name) not in settled
            }
            if not places:
                return []
            number, site = await self._maker.make(policy, [dict(view)])
        except Exception as error:
            log.exception("status page not made")
            # By place, so that a later attempt settles what this one missed.
            said = f"it could not be made: {why(error)}"
            return [self._failed(_key(key, name), name, said) for name in places or ["site"]]
        outcomes = await write_everywhere(site, list(places.values()), number)
        return [self._outcome(_key(key, name), name, result) for name, result in outcomes.items()]

    def _outcome(self, key: str, name: str, result: Written | PublishError) -> Delivery:
        if isinstance(result, PublishError):
            return self._failed(key, name, str(result))
        return Delivery(
            key=key, recipient="status_page", channel=_kind(name), state=DeliveryState.SENT,
            detail=name, at=self._clock(),
        )  # fmt: skip

    def _failed(self, key: str, name: str, detail: str) -> Delivery:
        return Delivery(
            key=key, recipient="status_page", channel=_kind(name), state=DeliveryState.FAILED,
            reason=DeliveryReason.UNREACHABLE.value, detail=detail[:500], retryable=True,
            at=self._clock(),
        )  # fmt: skip


def _kind(name: str) -> str:
    return name.partition(":")[0]


def _key(key: str, place: str) -> str:
    """Of one place's delivery. A place's name may be long, and stands in the history many times."""
    return f"{key}/status_page/{hashlib.sha256(place.encode()).hexdigest()[:12]}"

"""Writing the status page as static files: to folders of this machine and to object storages.

What the page is made of is `activities/status_page.py`'s to know; here its files are brought to their places.
The API writes them too, where a person asks for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from activities.publishing.folder import FolderTarget
from activities.publishing.store import StoreSettings, StoreTarget
from activities.publishing.target import PublishError, Site, Target, Written
from domain.policy.communications import PublishTarget

__all__ = [
    "FolderTarget",
    "Place",
    "PublishError",
    "Site",
    "StoreSettings",
    "StoreTarget",
    "Target",
    "Targets",
    "Written",
    "write_everywhere",
]


class Place:
    """A target with one writing at a time: a page that was made earlier never ends up over a newer one."""

    def __init__(self, target: Target) -> None:
        self.target, self.name = target, target.name
        self._turn = asyncio.Lock()
        self._newest = 0
        self._refused: PublishError | None = None
        """Why the newest one is not there; None where it is."""

    async def write(self, site: Site, number: int) -> Written | PublishError:
        """Write it; failure is an answer.

        Args:
            number: the higher, the later the site was made.
        """
        async with self._turn:
            if number < self._newest:
                # The newer one holds what this one says: its outcome is the answer, a failure too.
                return self._refused or Written(len(site), 0, 0, 0)
            self._newest, self._refused = number, None
            try:
                return await self.target.write(site)
            except PublishError as error:
                self._refused = error
                return error


class Targets:
    """The places of a policy. What a place remembers of its last writing is kept as long as it is named.

    Args:
        base: where a relative folder begins.
        stores: None where nothing may leave this machine.
    """

    def __init__(self, base: Path, stores: StoreSettings | None) -> None:
        self._base, self._stores = base, stores
        self._known: dict[PublishTarget, Place] = {}

    def of(self, wanted: Sequence[PublishTarget]) -> list[Place]:
        """Each place of the policy that is written to here, in its order."""
        found = {
            one: self._known.get(one) or Place(self._make(one))
            for one in wanted
            if one.folder or self._stores is not None
        }
        self._known = found
        return list(found.values())

    def _make(self, wanted: PublishTarget) -> Target:
        if wanted.folder:
            return FolderTarget(self._base / wanted.folder)
        assert self._stores is not None
        return StoreTarget(wanted, self._stores)


async def write_everywhere(
    site: Site, places: Sequence[Place], number: int = 0
) -> Mapping[str, Written | PublishError]:
    """Write to every place at once; one that fails holds up no other. By the names of the places."""
    results = await asyncio.gather(*(place.write(site, number) for place in places))
    return {place.name: result for place, result in zip(places, results, strict=True)}

"""What every place is that the status page is written to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from templates.status_addresses import INDEX
from templates.status_site import File

Site = Mapping[str, File]
"""Files by their path below the site's root."""
_OURS = re.compile(r"(incidents|history)/[A-Za-z0-9._-]+\.html|history[A-Za-z0-9_-]*\.html")
"""Pages that come and go: what else lies in the place is not ours to take away."""


class PublishError(Exception):
    """A place could not be written; says which, why, and what to do. No secret stands in it."""


class Written(NamedTuple):
    """What one writing has changed at a place."""

    files: int
    """Files of the site, changed or not."""
    changed: int
    removed: int
    bytes: int
    """Of those that were changed."""


class Target(Protocol):
    """One place."""

    @property
    def name(self) -> str:
        """How people know it: `folder:/srv/status`, `s3://bucket/prefix`."""
        ...

    async def write(self, site: Site) -> Written:
        """Bring the place to this state; what stands there already is left alone.

        Readers see each file old or new, never in part, and the first page is the last that changes.
        Writing the same site twice, or by two processes at once, does no harm.

        Raises:
            PublishError: what was written by then stands; writing again goes on from there.
        """
        ...


def in_order(paths: Iterable[str]) -> list[str]:
    """The first page last: it leads to nothing that is not there yet."""
    return sorted(paths, key=lambda path: (path == INDEX, path))


def stale(found: Iterable[str], site: Site) -> list[str]:
    """Pages of ours that the site has no longer, such as those of an incident out of its history."""
    return sorted(path for path in found if path not in site and _OURS.fullmatch(path))

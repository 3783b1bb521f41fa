"""Where the files of the status page find each other: served by Tocsin, or lying somewhere as files."""

from __future__ import annotations

from typing import NamedTuple

SERVED = "/status"
INDEX = "index.html"


class Addresses(NamedTuple):
    """How links are written. The default is for static files, which may lie under any address."""

    is_served: bool = False
    """Whether Tocsin itself answers, under `/status`; then the page hears of changes at once."""
    base: str | None = None
    """Absolute address of the page, for feeds and JSON; None is what the policy says."""
    live: str | None = None
    """Tocsin's own public address, for static files: where their readers subscribe."""

    def link(self, path: str, here: str) -> str:
        """From one file of the site to another.

        Args:
            path: of the file, below the site's root: `incidents/x.html`.
            here: of the file that the link stands in.
        """
        if not self.is_served:
            return "../" * here.count("/") + path
        if path == INDEX:
            return SERVED
        return f"{SERVED}/{path.removesuffix('.html')}"

    def subscribe(self) -> str | None:
        """Where readers subscribe; None where they cannot be led there."""
        if self.is_served:
            return f"{SERVED}/subscribe"
        return f"{self.live}{SERVED}/subscribe" if self.live else None

    def absolute(self, path: str, base: str | None) -> str:
        """For readers elsewhere; relative where no address is known.

        Args:
            base: the page's own address, as the policy says it.
        """
        root = self.base or base
        if root is None:
            return path
        return f"{root}/" if path == INDEX else f"{root}/{path}"


STATIC = Addresses()

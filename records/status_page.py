"""What the public status page is made from, as the records have it: incidents that the outside heard of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, func, or_, select

from domain.policy.model import Policy
from domain.status_page.maintenance import Windows
from domain.status_page.page import StatusPageModel, build_page, history_start
from records.database import database_errors
from records.reads import OPEN, RecordsReader, View
from records.tables import incidents

_COLUMNS = ("id", "service", "severity", "type", "status", "resolved_at", "closed_at", "version")
_READ = [incidents.c[name] for name in _COLUMNS]
_UPDATES = incidents.c.view["updates"].label("updates")
"""Of the whole view only this: some views are large, and hundreds are read at once."""


class StatusPageReader:
    """Reads the page. Blocking: call it from a thread.

    Every method raises `RecordsUnavailableError` when the database does not answer.
    """

    def __init__(self, source: Engine | RecordsReader) -> None:
        self._engine = source.engine if isinstance(source, RecordsReader) else source

    def page(
        self, policy: Policy, windows: Windows, at: datetime, overlay: Sequence[View] = ()
    ) -> StatusPageModel:
        """The page as it stands.

        Args:
            windows: maintenance made at run time, by service; empty where nobody knows. That of the
                policy is added by itself.
            overlay: views that may be newer than the records, such as that of an update that was just
                published; of two of one incident the higher `version` counts.
        """
        views = {view["id"]: view for view in self._views(at)}
        for view in overlay:
            known = views.get(view["id"])
            if known is None or int(view.get("version") or 0) >= known["version"]:
                views[view["id"]] = view
        return build_page(policy, views.values(), windows, at)

    def mark(self, at: datetime) -> str:
        """Something that is another one whenever an incident of the page has changed. Cheap."""
        version = incidents.c.version
        query = select(func.count(), func.sum(version), func.max(version)).where(_is_shown(at))
        with self._reading() as connection:
            return "/".join(str(one) for one in connection.execute(query).one())

    def _views(self, at: datetime) -> Iterator[View]:
        query = select(*_READ, _UPDATES).where(_is_shown(at))
        with self._reading() as connection:
            rows = connection.execute(query).all()
        for row in rows:
            if row.updates:
                yield dict(row._mapping)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with database_errors(), self._engine.connect() as connection:
            yield connection


def _is_shown(at: datetime) -> ColumnElement[bool]:
    """Open ones, and those that ended within the history or began in it."""
    since, table = history_start(at), incidents.c
    ended = func.coalesce(table.closed_at, table.resolved_at)
    return or_(table.status.in_((*OPEN, "resolved")), table.raised_at >= since, ended >= since)

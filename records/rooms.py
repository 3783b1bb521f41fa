"""Which incident a chat room belongs to."""

from __future__ import annotations

from sqlalchemy import Engine, select

from records.database import database_errors
from records.tables import incidents

_ALIVE = ("raised", "fixing", "resolved")


def incident_in_room(engine: Engine, ref: str) -> str | None:
    """The incident whose room that is; one that is over gives no room away any more.

    Args:
        ref: the room's id at the chat's vendor.

    Raises:
        RecordsUnavailableError: the database does not answer.
    """
    room = incidents.c.view[("communications", "room_ref")].as_string()
    query = (
        select(incidents.c.id)
        .where(incidents.c.status.in_(_ALIVE), room == ref)
        .order_by(incidents.c.raised_at.desc())
        .limit(1)
    )
    with database_errors(), engine.connect() as connection:
        found: str | None = connection.scalar(query)
    return found

"""Which message held a page, and how much a person was paged lately."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("bundle", sa.Text))
    op.create_index("ix_messages_recipient_at", "messages", ["recipient", "at"])
    is_overload = sa.text("fact = 'overloaded'")
    op.create_index(
        "ix_timeline_overloaded_at",
        "timeline",
        ["at"],
        sqlite_where=is_overload,
        postgresql_where=is_overload,
    )

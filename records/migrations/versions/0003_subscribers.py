"""Who asked on the status page to be told, and what became of each update for each of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "subscribers",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("components", sa.JSON),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True)),
        sa.Column("invites", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_subscribers"),
    )
    op.create_index("ix_subscribers_kind_address", "subscribers", ["kind", "address"], unique=True)
    op.create_index("ix_subscribers_state_created_at", "subscribers", ["state", "created_at"])
    op.create_table(
        "subscriber_messages",
        sa.Column("update_key", sa.Text, nullable=False),
        sa.Column("subscriber_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("attempts", sa.BigInteger, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("update_key", "subscriber_id", name="pk_subscriber_messages"),
    )
    op.create_index(
        "ix_subscriber_messages_update_key_state", "subscriber_messages", ["update_key", "state"]
    )
    op.create_index("ix_subscriber_messages_at", "subscriber_messages", ["at"])

"""The first tables: incidents, their facts, messages, postmortems and answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "incidents",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("priority", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("major", sa.Boolean, nullable=False),
        sa.Column("incident_manager", sa.Text),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True)),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("view", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_incidents"),
    )
    op.create_index("ix_incidents_raised_at_id", "incidents", ["raised_at", "id"])
    op.create_index("ix_incidents_status_raised_at", "incidents", ["status", "raised_at"])
    op.create_index("ix_incidents_service_raised_at", "incidents", ["service", "raised_at"])
    op.create_index("ix_incidents_service_number", "incidents", ["service", "number"])
    op.create_table(
        "timeline",
        sa.Column("incident_id", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fact", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("incident_id", "seq", name="pk_timeline"),
    )
    op.create_table(
        "messages",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("incident_id", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_messages"),
    )
    op.create_index("ix_messages_incident_id_at", "messages", ["incident_id", "at"])
    op.create_table(
        "postmortems",
        sa.Column("incident_id", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("view", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("incident_id", name="pk_postmortems"),
    )
    op.create_index("ix_postmortems_status_due_at", "postmortems", ["status", "due_at"])
    op.create_table(
        "actions",
        sa.Column(
            "incident_id",
            sa.Text,
            sa.ForeignKey(
                "postmortems.incident_id",
                name="fk_actions_incident_id",
                ondelete="CASCADE",
            ),
            nullable=False,
        ),
        sa.Column("action_id", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("done_at", sa.DateTime(timezone=True)),
        sa.Column("kind", sa.Text),
        sa.PrimaryKeyConstraint("incident_id", "action_id", name="pk_actions"),
    )
    op.create_index("ix_actions_done_at_due_at", "actions", ["done_at", "due_at"])
    op.create_table(
        "results",
        sa.Column("incident_id", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("result", sa.JSON, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("incident_id", "key", name="pk_results"),
    )

"""Alembic's entry: run the migrations on the connection, and in the transaction, of the caller.

There is no alembic.ini and no way in but `records.database.migrate`, which holds the lock.
"""

from __future__ import annotations

from alembic import context

from records.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a column only by building the table again
)
with context.begin_transaction():
    context.run_migrations()

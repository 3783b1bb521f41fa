"""The command line, `tocsin`: speaks HTTP to the API and never imports Temporal.

`app.py` puts the verbs together; each group of verbs is one module; `writing.py` is the way of every
write; `screen.py`, `card.py` and `tables.py` are what people see.
"""

from starter.cli.app import main

__all__ = ["main"]

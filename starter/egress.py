"""The front's way out to addresses from outside: the same as the worker's, `activities/egress.py`.

The one thing that both sides of Temporal share beside the workflows' contract: rules against being turned
on our own network hold once.
"""

from activities.egress import (
    MAX_BYTES,
    Egress,
    EgressError,
    EgressLostError,
    EgressRefusedError,
    EgressTimedOutError,
    Fetched,
)

__all__ = [
    "MAX_BYTES",
    "Egress",
    "EgressError",
    "EgressLostError",
    "EgressRefusedError",
    "EgressTimedOutError",
    "Fetched",
]

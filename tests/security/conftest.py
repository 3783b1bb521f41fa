"""The same paged people as in `tests/starter/answering`, for those who want to harm them."""

from __future__ import annotations

from tests.starter.answering.conftest import app, board, clock, example
from tests.starter.conftest import (
    api,
    empty_records,
    gateway,
    patience,
    policies,
    quiet,
    records,
    stranger,
    temporal,
)

__all__ = [
    "api",
    "app",
    "board",
    "clock",
    "empty_records",
    "example",
    "gateway",
    "patience",
    "policies",
    "quiet",
    "records",
    "stranger",
    "temporal",
]

"""Limits for a machine that may stand still for seconds."""

from __future__ import annotations

from tests.scenarios.conftest import patience

__all__ = ["patience"]

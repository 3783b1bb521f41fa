"""A small policy and incidents as their workflows show them, for the tests of the status page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from domain.policy.model import Policy

T0 = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)


def a_policy(**sections: Any) -> Policy:
    """Three public services and one that is not."""
    return Policy.model_validate(
        {
            "organisation": {"name": "Acme"},
            "services": {
                "checkout": {"name": "Checkout"},
                "search": {"name": "Search"},
                "api": {"name": "Public API"},
                "database": {"name": "Orders database", "public": False},
            },
            "processes": {
                "security": {"external": "never"},
                "quiet": {"channels": ["room"]},
            },
            **sections,
        }
    )


def said(minute: float, status: str | None, text: str = "We look into it", **more: Any) -> Any:
    """One external update, `minute` after T0."""
    at = (T0 + timedelta(minutes=minute)).isoformat()
    update = {"at": at, "audience": "external", "text": text, "status": status, "actor": "alice"}
    return update | more


def a_view(*updates: Any, id: str = "checkout-17", **more: Any) -> dict[str, Any]:
    """An incident that is being fixed; everything internal of it says SECRET."""
    return {
        "id": id,
        "service": id.rpartition("-")[0],
        "severity": "SEV1",
        "type": "default",
        "status": "fixing",
        "summary": "SECRET summary",
        "description": "SECRET description",
        "updates": list(updates),
        "version": 7,
        **more,
    }

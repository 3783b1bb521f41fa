"""Which verb each route of the API is. A route that stands in no row is nobody's, and fails a test."""

from __future__ import annotations

from collections.abc import Mapping

from domain.commands import COMMANDS
from domain.postmortem.commands import POSTMORTEM_COMMANDS

READS: Mapping[str, str] = {
    "incidents": "read_incidents",
    "incident": "read_incidents",
    "timeline": "read_incidents",
    "events": "listen",
    "postmortem": "read_postmortem",
    "export_postmortem": "export_postmortem",
    "oncall": "read_oncall",
    "oncall_gaps": "read_oncall",
    "oncall_shifts": "read_oncall",
    "oncall_calendar": "read_oncall",
    "overrides": "read_oncall",
    "oncall_load": "read_load",
    "maintenance": "read_maintenance",
    "heartbeats": "read_heartbeats",
    "policy": "read_policy",
    "intake_refused": "read_policy",
    "reports": "read_reports",
    "one_report": "read_reports",
    "subscribers": "read_subscribers",
}

OPERATIONS: Mapping[str, str] = {
    **READS,
    **{name: name for name in COMMANDS},
    **{f"postmortem_{name}": name for name in POSTMORTEM_COMMANDS},
    "declare": "declare",
    "preview_update": "publish_update",
    "override": "add_override",
    "remove_override": "remove_override",
    "swap": "swap",
    "temporary": "add_temporary",
    "set_contact": "set_contact",
    "add_maintenance": "add_maintenance",
    "remove_maintenance": "remove_maintenance",
    "test_page": "test_page",
    "explain": "explain",
    "reload_policy": "reload_policy",
    "publish_status_page": "publish_status_page",
    "confirm_report": "confirm_report",
    "join_report": "join_report",
    "dismiss_report": "dismiss_report",
    "remove_subscriber": "remove_subscriber",
    "tokens": "list_tokens",
    "create_token": "create_token",
    "revoke_token": "revoke_token",
    "read_webhook_secret": "read_webhook_secret",
    "whoami": "whoami",
}
"""By the operation id of the route, or by the name of its function where it is not in the document."""

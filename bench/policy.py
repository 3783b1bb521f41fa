"""The organisation that is measured: a few people with mail addresses, many services alike."""

from __future__ import annotations

import json
from typing import Any

SENDERS_KEY = "TOCSIN_BENCH_KEY"
"""Variable that holds the key of the alerts' sender."""


def policy_text(services: list[str]) -> str:
    """A policy file in which every alert of every service pages at once and nothing else is due soon."""
    policy: dict[str, Any] = {
        "version": 1,
        "organisation": {
            "name": "Bench",
            "timezone": "Europe/Berlin",
            "catch_all": ["person:cleo"],
        },
        "people": {
            name: {"contacts": [{"channel": "email", "to": f"{name}@example.com"}]}
            for name in ("ana", "ben", "cleo")
        },
        "teams": {"shop": {"members": ["ana", "ben"]}},
        "schedules": {
            "shop": {
                "timezone": "Europe/Berlin",
                "rotations": [
                    {
                        "people": ["ana"],
                        "every": "week",
                        "handover": {"day": "monday", "at": "09:00"},
                        "starts": "2026-01-05",
                    }
                ],
            }
        },
        "escalation_policies": {
            "shop": {
                "steps": [
                    {"page": ["schedule:shop"]},
                    {"page": ["person:cleo"], "after": "30m"},
                ]
            }
        },
        "services": {
            name: {"name": name, "team": "shop", "escalation": "shop", "public": True}
            for name in services
        },
        "processes": {"default": {"external": "auto"}},
        "stakeholders": {
            "leadership": {
                "severities": ["SEV1", "SEV2"],
                "to": [{"channel": "email", "to": "cto@example.com"}],
            }
        },
        "integrations": {"bench": {"format": "alertmanager", "key": f"env:{SENDERS_KEY}"}},
        "channels": {"room": "{{ id }}", "bridge": "https://meet.example.com/{{ id }}"},
    }
    return json.dumps(policy, indent=1)  # JSON is YAML


def alert_body(service: str, fingerprint: str) -> bytes:
    """One firing alert, as Alertmanager's webhook sends it."""
    labels = {"alertname": "HighErrorRate", "service": service, "severity": "critical"}
    alert = {
        "status": "firing",
        "labels": labels,
        "annotations": {
            "summary": "Checkout returns 5xx for 38% of requests",
            "description": "5xx ratio 0.38 over 5m",
        },
        "startsAt": "2026-11-23T14:07:26Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus.example.com/graph?g0.expr=x",
        "fingerprint": fingerprint,
    }
    group = {
        "receiver": "all",
        "status": "firing",
        "alerts": [alert],
        "groupLabels": labels,
        "commonLabels": labels,
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example.com:9093",
        "version": "4",
        "groupKey": f'{{}}:{{service="{service}"}}',
        "truncatedAlerts": 0,
    }
    return json.dumps(group).encode()


def peer_body(service: str) -> bytes:
    """The same alert, as one sends it to Alertmanager itself."""
    labels = {"alertname": "HighErrorRate", "service": service, "severity": "critical"}
    annotations = {"summary": "Checkout returns 5xx for 38% of requests"}
    return json.dumps([{"labels": labels, "annotations": annotations}]).encode()

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
        # A storm would be folded into one incident, and its pages could not be counted.
        "limits": {"storm": "none"},
        "channels": {"room": "{{ id }}", "bridge": "https://meet.example.com/{{ id }}"},
    }
    return json.dumps(policy, indent=1)  # JSON is YAML


def alert_body(service: str, fingerprint: str, severity: str = "critical") -> bytes:
    """One firing alert, as Alertmanager's webhook sends it."""
    labels = {"alertname": "HighErrorRate", "service": service, "severity": severity}
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


def peer_body(service: str, name: str = "HighErrorRate") -> bytes:
    """The same alert, as one sends it to Alertmanager itself."""
    labels = {"alertname": name, "service": service, "severity": "critical"}
    annotations = {"summary": "Checkout returns 5xx for 38% of requests"}
    return json.dumps([{"labels": labels, "annotations": annotations}]).encode()


def large_policy(people: int = 200, schedules: int = 50) -> dict[str, Any]:
    """A large organisation: every kind of layer, overrides, absences, holidays; what `Policy` validates."""
    zones = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC")
    keys = [f"p{number:03}" for number in range(people)]
    absent = {"from": "2026-02-02", "to": "2026-02-15", "reason": "leave"}
    return {
        "version": 1,
        "people": {
            key: {
                "timezone": zones[number % len(zones)],
                "contacts": [{"channel": "email", "to": f"{key}@example.com"}],
                "absences": [absent] if number % 5 == 0 else [],
            }
            for number, key in enumerate(keys)
        },
        "teams": {
            f"t{number:02}": {"members": keys[number::schedules]} for number in range(schedules)
        },
        "schedules": {
            f"s{number:02}": _large_schedule(number, keys[number::schedules], zones)
            for number in range(schedules)
        },
        "escalation_policies": {
            f"t{number:02}": {
                "steps": [
                    {"page": [f"schedule:s{number:02}"]},
                    {"page": [f"next:s{number:02}"], "after": "5m"},
                    {"page": [f"all:s{number:02}", f"team:t{number:02}"], "after": "5m"},
                ]
            }
            for number in range(schedules)
        },
        "services": {
            f"service-{number:02}": {"team": f"t{number:02}", "escalation": f"t{number:02}"}
            for number in range(schedules)
        },
    }


def _large_schedule(number: int, people: list[str], zones: tuple[str, ...]) -> dict[str, Any]:
    every = ("week", "day", "12h", "2 weeks", "month")[number % 5]
    first = people[0]
    return {
        "timezone": zones[number % len(zones)],
        "rotations": [
            {"people": people, "every": every, "starts": "2019-01-07", "handover": {"at": "09:00"}},
            {
                "people": people[::-1],
                "every": "day",
                "starts": "2020-06-01",
                "restrict": {"days": ["mon-fri"], "from": "22:00", "to": "06:00"},
            },
        ],
        "overrides": [
            {
                "from": f"2026-01-{day:02}T08:00",
                "to": f"2026-01-{day:02}T20:00",
                "person": people[day % len(people)],
                "instead_of": first,
            }
            for day in range(5, 25, 2)
        ],
        "holidays": {"country": "DE", "people": people, "dates": ["2026-01-01", "2026-04-03"]},
    }

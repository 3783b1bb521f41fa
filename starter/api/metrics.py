"""What the API counts. Labels are few and closed: never an id, never a name from outside."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Counters of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "tocsin_http_requests_total",
            "Requests by kind and status",
            ("kind", "method", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "tocsin_http_request_seconds",
            "Time until the answer began",
            ("kind",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.webhooks = Counter(
            "tocsin_webhook_requests_total",
            "Deliveries of alerts by format and what came of them",
            ("source", "outcome"),
            registry=self.registry,
        )
        self.alerts = Counter(
            "tocsin_alerts_total", "Alerts taken by format", ("source",), registry=self.registry
        )
        self.declared = Counter(
            "tocsin_incidents_declared_total",
            "Incidents that people declared, by severity",
            ("severity",),
            registry=self.registry,
        )
        self.commands = Counter(
            "tocsin_commands_total",
            "Commands by name and what came of them",
            ("command", "outcome"),
            registry=self.registry,
        )
        self.answers = Counter(
            "tocsin_answers_total",
            "Answers to pages from outside, by way and what came of them",
            ("via", "outcome"),
            registry=self.registry,
        )

    def text(self) -> bytes:
        """In the format that Prometheus reads."""
        return generate_latest(self.registry)

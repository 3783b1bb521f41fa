"""What the API counts. Labels are few and closed: never an id, never a name from outside."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from starter.reception.durable import Durable

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
        self.skewed = Counter(
            "tocsin_webhook_clock_skew_total",
            "Signed deliveries by format whose sender's clock is over 60 s off; over 300 s they are refused",
            ("source",),
            registry=self.registry,
        )
        self.repeated = Counter(
            "tocsin_webhook_repeats_total",
            "Deliveries by format that had been delivered before, and had no second effect",
            ("source",),
            registry=self.registry,
        )
        self.connections = Counter(
            "tocsin_connections_closed_total",
            "Connections that were closed to protect the others, by why",
            ("why",),
            registry=self.registry,
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

    def watch_journal(self, durable: Durable) -> None:
        """Show how the journal stands whenever somebody asks."""
        journal, direct = durable.journal, durable.direct
        shown: dict[str, tuple[str, Callable[[], float]]] = {
            "waiting": (
                "Alerts that wait on disk for Temporal",
                lambda: durable.standing().waiting,
            ),
            "oldest_seconds": (
                "How long the oldest of them waits",
                lambda: durable.standing().oldest_seconds,
            ),
            "bytes": ("What the journal holds on disk", lambda: durable.standing().size),
            "limit_bytes": ("What it may hold", lambda: durable.standing().limit),
            "damaged_files": (
                "Files with what could not be read again",
                lambda: durable.standing().damaged,
            ),
            "kept": ("Alerts that it took since the start", lambda: journal.kept),
            "delivered": ("Alerts delivered from it since the start", lambda: journal.delivered),
            "refused": ("Alerts that it did not take since the start", lambda: journal.refused),
            "direct_pages": ("Services paged about past Temporal", lambda: direct.paged),
            "direct_pages_failed": ("Attempts at that which failed", lambda: direct.failed),
        }
        for name, (meaning, look) in shown.items():
            gauge = Gauge(f"tocsin_journal_{name}", meaning, registry=self.registry)
            gauge.set_function(look)

    def text(self) -> bytes:
        """In the format that Prometheus reads."""
        return generate_latest(self.registry)

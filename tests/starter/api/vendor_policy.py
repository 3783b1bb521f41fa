"""A policy with integrations of PagerDuty and Opsgenie, their keys in files beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from records.policy_file import read_policy
from records.policy_store import PolicyStore
from tests.system import a_policy

PD_KEY = "0123456789abcdef0123456789abcdef"
OTHER_PD_KEY = "fedcba9876543210fedcba9876543210"
GENIE_KEY = "f1e2d3c4-0000-4000-8000-000000000001"
OTHER_GENIE_KEY = "f1e2d3c4-0000-4000-8000-000000000002"
KEYS = {
    "pd": ("pagerduty", PD_KEY),
    "pd2": ("pagerduty", OTHER_PD_KEY),
    "genie": ("opsgenie", GENIE_KEY),
    "genie2": ("opsgenie", OTHER_GENIE_KEY),
}


def vendor_policy(folder: Path, **maps: Any) -> Path:
    """The file; `maps` are those of integrations, by name."""
    integrations: dict[str, Any] = {}
    for name, (format_name, key) in KEYS.items():
        file = folder / f"{name}.key"
        file.write_text(key)
        integrations[name] = {
            "format": format_name,
            "key": f"file:{file}",
            "map": maps.get(name, {}),
        }
    ladders = {service: [("ann", "0s")] for service in ("checkout", "search")}
    return a_policy(
        folder / "vendors.yaml",
        ladders,
        integrations=integrations,
        heartbeats={"backup": {"service": "checkout", "every": "1h"}},
    )


def vendor_policies(folder: Path, **maps: Any) -> PolicyStore:
    """The policy, in force."""
    store = PolicyStore(folder)
    store.adopt(read_policy(vendor_policy(folder, **maps)))
    return store

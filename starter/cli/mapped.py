"""What payloads become, and why, as people read it: `policy explain` and the samples of `policy check`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from starter.cli.card import SEVERITY_STYLES
from starter.cli.screen import clean, one_line, show

if TYPE_CHECKING:
    from domain.policy.model import Policy

View = dict[str, Any]
IN_SHORT = ("service", "severity", "priority")


def samples_of(policy: Policy, path: Path) -> list[View]:
    """What each sample of a policy's integrations would become: integration, file, alerts or error."""
    from domain.errors import IntakeError
    from records.policy_file import folder_of
    from records.sample_files import read_sample
    from starter.intake.explaining import explained
    from starter.intake.received import Received

    found: list[View] = []
    for name, integration in policy.integrations.items():
        for sample in integration.samples:
            one: View = {"integration": name, "sample": sample}
            received = Received(*read_sample(folder_of(path) / sample))
            try:
                now = datetime.now(UTC)
                one |= explained(policy, name, integration.format, received, now)
            except IntakeError as error:
                one |= {"alerts": [], "no_alert": f"refused: {error}"}
            found.append(one)
    return found


def samples(found: list[View]) -> None:
    """One row for each alert of each sample."""
    if not found:
        return
    table = _table("INTEGRATION", "SAMPLE", "SERVICE", "SEV", "PRI", "DECIDED BY")
    for one in found:
        where = (one_line(one["integration"]), one_line(one["sample"]))
        if not one["alerts"]:
            table.add_row(*where, "-", "-", "-", one_line(f"no alert: {one['no_alert']}"))
        for alert in one["alerts"]:
            decided = {reason["field"]: reason for reason in alert["decided"]}
            why = [f"{field}: {decided[field]['by']}" for field in IN_SHORT if field in decided]
            table.add_row(*where, *_short(alert, decided), one_line("; ".join(why)))
    show(table)


def explained(found: View) -> None:
    """Each alert with its fields, and what decided each."""
    show(Text(one_line(f"{found.get('integration')}, format {found.get('format')}")))
    alerts = found.get("alerts") or []
    if not alerts:
        show(Text(one_line(f"no alert: {found.get('no_alert')}")))
    for alert in alerts:
        show(Text(""))
        show(Text(one_line(f"{alert.get('status')}: {alert.get('summary')}"), "bold"))
        table = _table("FIELD", "VALUE", "DECIDED BY")
        for reason in alert.get("decided") or []:
            value = one_line(reason["value"])
            style = SEVERITY_STYLES.get(value, "") if reason["field"] == "severity" else ""
            table.add_row(one_line(reason["field"]), Text(value, style), one_line(reason["by"]))
        show(table)
        for note in alert.get("notes") or []:
            show(Text(clean(f"note: {note}")))


def _short(alert: View, decided: Mapping[str, View]) -> list[Text | str]:
    severity = one_line((decided.get("severity") or {}).get("value") or "-")
    return [
        one_line(alert["service"]),
        Text(severity, SEVERITY_STYLES.get(severity, "")),
        one_line((decided.get("priority") or {}).get("value") or "-"),
    ]


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, no_wrap=column in ("SEV", "PRI", "FIELD"), overflow="fold")
    return table

"""Every stored history replays with the code as it is now: what is open survives a release."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

import worker
from tests.replay.record import HERE, NOT_KEPT, PATHS
from workflows.converter import data_converter

FILES = sorted(HERE.glob("*.json"))
WHAT_TO_DO = """
A path through the workflows has no history in tests/replay/. Before the first release, and for a new
path, record it with

    python -m tests.replay.record STORY

and look at what changed. A history of a released version is never recorded anew: code that does not
replay it strands the incidents that are open; keep the old way behind `workflow.patched`.
"""


def replayer() -> Replayer:
    return Replayer(
        workflows=list(worker.WORKFLOWS),
        data_converter=data_converter,
        workflow_runner=worker.workflow_runner(),
    )


def history_in(text: str) -> WorkflowHistory:
    stored = json.loads(text)
    return WorkflowHistory.from_json(stored["workflow_id"], stored["history"])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_a_stored_history_replays(file: Path) -> None:
    """The code decides today what it decided when the history was made."""
    await replayer().replay_workflow(history_in(file.read_text()))


def test_every_path_has_a_history() -> None:
    """A path through the workflows that nobody has recorded is a release that nobody has tried."""
    missing = set(PATHS) - {file.stem for file in FILES}
    assert not missing, f"{', '.join(sorted(missing))}: {WHAT_TO_DO}"


async def test_a_change_of_what_a_workflow_does_is_found() -> None:
    """Had the code asked for another activity than the history tells, the replay would fail."""
    text = (HERE / "incident-cancelled.json").read_text()
    assert '"name": "send_page"' in text
    changed = history_in(text.replace('"name": "send_page"', '"name": "send_nothing"'))
    with pytest.raises(NondeterminismError):
        await replayer().replay_workflow(changed)


def test_histories_hold_nothing_of_the_machine_that_recorded_them() -> None:
    """No host, process, path or stack trace in what is published."""
    for file in FILES:
        text = file.read_text()
        assert not [field for field in NOT_KEPT if f'"{field}"' in text], file.name
        assert len(text) < 400_000, file.name


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_history_holds_no_address_of_a_person(file: Path) -> None:
    """Whoever may look into Temporal reads who was paged by what, and neither number nor mail address."""
    said = "\n".join(payloads(json.loads(file.read_text())))
    assert len(said) > 100
    assert re.findall(r"\+\d{7,}|[\w.-]+@[\w.-]+\.\w+", said) == []


def payloads(value: Any) -> Iterator[str]:
    """What workflows and activities gave each other, decoded."""
    if isinstance(value, dict):
        if "metadata" in value and isinstance(value.get("data"), str):
            yield base64.b64decode(value["data"]).decode(errors="replace")
        for one in value.values():
            yield from payloads(one)
    elif isinstance(value, list):
        for one in value:
            yield from payloads(one)

"""`python -m bench`: start the system, measure every row, print a table, write JSON.

Exit code 0 when every bound holds or cannot be judged, 1 when one fails, 2 when it could not be measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import machine
from bench.measure import Result, Row, Verdict, table
from bench.rows import (
    distinct,
    escalations,
    events,
    grouped,
    ingest,
    new_while_starting,
    on_call,
    page_latency,
    repeats,
)
from bench.system import BenchError, System

RESULTS = Path(__file__).parent / "results"
IDLE_SECONDS = 3.0

Measure = Callable[[System, int], Awaitable[list[Result]]]
GROUPS: tuple[tuple[Sequence[Row], Measure, int], ...] = (
    (page_latency.ROWS, page_latency.measure, page_latency.ROUNDS),
    (repeats.ROWS, repeats.measure, repeats.ROUNDS),
    (grouped.ROWS, grouped.measure, grouped.ROUNDS),
    (ingest.ROWS, ingest.measure, ingest.ROUNDS),
    (events.ROWS, events.measure, events.ROUNDS),
    (on_call.ROWS, on_call.measure, on_call.ROUNDS),
    (distinct.ROWS, distinct.measure, distinct.ROUNDS),
)
"""Rows that are measured together, how, and in how many rounds."""
LONG = (
    (new_while_starting.ROWS, new_while_starting.measure, new_while_starting.ROUNDS),
    (escalations.ROWS, escalations.measure, escalations.ROUNDS),
)
"""Those that take minutes: measured when named, and by `--full`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, and answer the exit code."""
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        try:
            results, facts = asyncio.run(_run(Path(folder), options.row, options.full))
        except BenchError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
    print(table(results), end="\n\n")
    for name, value in facts.items():
        print(f"{name}: {value}")
    print(f"\nwritten to {_write(options.name, results, facts)}")
    return exit_code(results)


def exit_code(results: Sequence[Result]) -> int:
    """1 when a bound fails; noise is said and is no failure."""
    for result in results:
        if result.verdict is not Verdict.HOLDS:
            print(f"{result.row.name}: {result.why or result.verdict.value}")
    return int(any(result.verdict is Verdict.FAILS for result in results))


def _parser() -> argparse.ArgumentParser:
    names = [row.name for rows, _, _ in (*GROUPS, *LONG) for row in rows]
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Speed as ratios to a floor."
    )
    parser.add_argument("--row", choices=names, help="measure this row only")
    parser.add_argument("--full", action="store_true", help="the long rows too")
    parser.add_argument("--name", help="name of the file of results; left out: the time")
    return parser


async def _run(folder: Path, only: str | None, full: bool) -> tuple[list[Result], dict[str, Any]]:
    results: list[Result] = []
    facts = machine.facts()
    began = time.monotonic()
    async with System(folder) as system:
        await asyncio.sleep(IDLE_SECONDS)
        facts["idle_memory_mb"] = {
            name: round(machine.memory_mb(pid)) for name, pid in system.pids.items()
        }
        wanted = (*GROUPS, *LONG) if full or only is not None else GROUPS
        for rows, measure, rounds in wanted:
            if only is not None and only not in {row.name for row in rows}:
                continue
            _say(f"measuring {', '.join(row.name for row in rows)} …")
            found = await measure(system, rounds)
            results += [one for one in found if only is None or one.row.name == only]
        facts["memory_afterwards_mb"] = {
            name: round(machine.memory_mb(pid)) for name, pid in system.pids.items()
        }
    facts["load_afterwards"] = [round(value, 2) for value in os.getloadavg()]
    facts["seconds"] = round(time.monotonic() - began)
    return results, facts


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _write(name: str | None, results: Sequence[Result], facts: dict[str, Any]) -> Path:
    at = datetime.now(UTC)
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{name or at.strftime('%Y-%m-%dT%H%M%SZ')}.json"
    content = {
        "at": at.isoformat(),
        "machine": facts,
        "rows": [result.as_json() for result in results],
    }
    file.write_text(json.dumps(content, indent=1) + "\n")
    return file


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # A process that has held a Temporal client may abort while the interpreter ends, although all is done.
    os._exit(code)

"""Numbers: rounds of ours against a floor, their ratio, and whether a bound holds. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Literal

STILL = 0.30
"""How far the floor's own middle may move between rounds before a ratio to it means nothing."""


class Verdict(StrEnum):
    HOLDS = "holds"
    FAILS = "fails"
    NONE = "no verdict"


@dataclass(frozen=True)
class Row:
    """What is measured, and which bound must hold."""

    name: str
    what: str
    against: str
    must: float
    aim: float
    unit: str = "x"
    better: Literal["lower", "higher"] = "lower"

    def meets(self, value: float, bound: float) -> bool:
        return value <= bound if self.better == "lower" else value >= bound


@dataclass(frozen=True)
class Round:
    """One round: ours and the floor, measured one after the other."""

    ours: float
    floor: float
    floor_middle: float
    """The floor's own p50, by which it is told whether the floor held still."""

    @property
    def ratio(self) -> float:
        return self.ours / self.floor


@dataclass
class Result:
    """What came of a row."""

    row: Row
    value: float
    spread: tuple[float, float]
    verdict: Verdict
    why: str = ""
    rounds: list[dict[str, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Lines for people: absolute times, CPU per operation, what the peer wins by."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def quantile(values: Iterable[float], share: float) -> float:
    """The value below which that share of the sample lies, interpolated.

    Raises:
        ValueError: there is no sample.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no sample")
    place = (len(ordered) - 1) * share
    low, high = math.floor(place), math.ceil(place)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def movement(values: Sequence[float]) -> float:
    """How far values lie apart, as a share of the lowest."""
    return max(values) / min(values) - 1.0


def judge_ratio(row: Row, rounds: Sequence[Round], notes: Iterable[str] = ()) -> Result:
    """The median of the rounds' ratios against the row's bound, unless the floor moved."""
    ratios = [one.ratio for one in rounds]
    value = statistics.median(ratios)
    moved = movement([one.floor_middle for one in rounds])
    verdict, why = judge(row, value, moved)
    shown = [asdict(one) | {"ratio": one.ratio} for one in rounds]
    return Result(row, value, (min(ratios), max(ratios)), verdict, why, shown, list(notes))


def judge(row: Row, value: float, floor_moved: float) -> tuple[Verdict, str]:
    """Whether a bound holds, with the sentence that says why there is no verdict."""
    if floor_moved > STILL:
        return Verdict.NONE, f"no verdict: the floor moved by {floor_moved:.0%}"
    return (Verdict.HOLDS if row.meets(value, row.must) else Verdict.FAILS), ""


def table(results: Sequence[Result]) -> str:
    """The results for people, one line each, with their notes below."""
    head = ("row", "median", "range", "must", "aim", "verdict")
    lines = [head, *(_cells(result) for result in results)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    out = []
    for index, line in enumerate(lines):
        out.append("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)))
        if index == 0:
            out.append("  ".join("-" * width for width in widths))
            continue
        result = results[index - 1]
        out.append(f"    {result.row.what}, against {result.row.against}")
        out += [f"    {note}" for note in result.notes]
    return "\n".join(line.rstrip() for line in out)


def _cells(result: Result) -> tuple[str, ...]:
    row = result.row
    sign = "<=" if row.better == "lower" else ">="
    verdict = result.why or result.verdict.value
    if result.verdict is Verdict.HOLDS and row.meets(result.value, row.aim):
        verdict += ", aim too"
    low, high = (_number(value, row.unit) for value in result.spread)
    return (
        row.name,
        _number(result.value, row.unit),
        f"{low} to {high}",
        f"{sign} {_number(row.must, row.unit)}",
        f"{sign} {_number(row.aim, row.unit)}",
        verdict,
    )


def _number(value: float, unit: str) -> str:
    return f"{value:.2f}{unit}" if unit == "x" else f"{value:,.0f}{unit}"

"""Durations, names, shapes, priorities, roles, errors, retry waits: small rules, each in its table."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, ValidationError

from domain.aggregate import Aggregate, Effect, next_message_try, next_page_try
from domain.durations import format_duration, parse_duration
from domain.errors import Problem, TransitionError, UnknownNameError
from domain.facts import Noted
from domain.names import nearest, require_known
from domain.policy.model import Policy
from domain.priority import OpenIncident, default_priority, first_changed, rank_among
from domain.roles import BUILT_IN, roles_of
from domain.shape import shape_problems
from tests.factories import T0, minutes


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("5m", 300), ("2h", 7200), ("3d", 259200), ("1w", 604800), ("1h30m", 5400),
     ("1.5h", 5400), (" 5m ", 300)],
)  # fmt: skip
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    """Seconds, minutes, hours, days, weeks, and sums of them."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "m", "5 minutes", "5m!", "-5m", "5M", None])
def test_what_is_no_duration_is_refused(text: object) -> None:
    """With the accepted forms."""
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@settings(deadline=None, max_examples=60)
@given(st.timedeltas(timedelta(0), timedelta(days=3650)))
def test_a_duration_written_is_the_duration_read(length: timedelta) -> None:
    """Carried state keeps every microsecond."""
    assert parse_duration(format_duration(length)) == length


@pytest.mark.parametrize(
    ("length", "text"),
    [(timedelta(0), "0s"), (minutes(90), "1h30m"), (timedelta(days=5), "5d"),
     (timedelta(seconds=1.5), "1.5s"), (timedelta(microseconds=10), "0.00001s")],
)  # fmt: skip
def test_durations_are_written_short(length: timedelta, text: str) -> None:
    """The shortest exact form."""
    assert format_duration(length) == text


def test_a_slip_of_the_pen_is_told_the_right_name() -> None:
    """Nearest first, whatever the case; nothing where nothing comes close."""
    assert nearest("Alcie", ["bob", "alice"]) == ("alice",)
    assert nearest("zzz", ["bob", "alice"]) == ()
    require_known("person", "bob", ["bob"])
    with pytest.raises(UnknownNameError, match="did you mean alice"):
        require_known("person", "alcie", ["alice"], "to")


def test_a_problem_says_where_and_what_to_do() -> None:
    """File, line, place, mistake, near names."""
    problem = Problem(where="a.b", detail="is wrong", near=("x", "y"), file="p.yaml", line=3)
    assert str(problem) == "p.yaml:3: a.b: is wrong; did you mean x or y?"
    assert str(Problem(where="a", detail="d")) == "a: d"


def test_a_refusal_says_what_is_possible() -> None:
    """The state, and the commands that it takes; and when there are none."""
    assert str(TransitionError("note", "closed", [])).endswith("allowed now: nothing")
    assert "closed" in str(TransitionError("note", "closed", ["a", "b"]))


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    severity: str
    count: int = 0


def test_the_shape_of_a_body_is_explained() -> None:
    """What is missing, what is too much with the nearest name, and what is of the wrong kind."""
    with pytest.raises(ValidationError) as caught:
        Body.model_validate({"serverity": "x", "count": "many"})
    found = {p.where: p for p in shape_problems("body", Body, caught.value)}
    assert found["/severity"].detail == "is required"
    assert found["/serverity"].near == ("severity",)
    assert "count" in found["/serverity"].detail
    assert set(found) == {"/severity", "/serverity", "/count"}


def test_a_body_of_thousands_of_mistakes_is_explained_in_part() -> None:
    """The first fifty, and how many there are: reading it must not take a workflow's time."""
    with pytest.raises(ValidationError) as caught:
        Body.model_validate({f"field{number}": 1 for number in range(20_000)})
    found = shape_problems("body", Body, caught.value)
    assert len(found) == 51
    assert found[-1].detail == "and 19951 more mistakes"
    assert nearest("severity" * 100_000, ["severity"]) == ()


def an_open(number: int, priority: str = "P1", severity: str = "SEV1") -> OpenIncident:
    return OpenIncident(
        id=f"checkout-{number}",
        priority=priority,
        severity=severity,
        raised_at=T0 + minutes(number),
    )


@pytest.mark.parametrize(
    ("mine", "others", "place", "words"),
    [
        (an_open(1), [], (1, 1), "the only open incident"),
        (an_open(1), [an_open(1)], (1, 1), "the only open incident"),
        (
            an_open(1),
            [an_open(2), an_open(3, "P2")],
            (1, 3),
            "top priority: #1 of 3 open; checkout-2 (SEV1), checkout-3 (SEV1) can wait",
        ),
        (an_open(2, "P2"), [an_open(3)], (2, 2), "#2 of 2 open, can wait behind checkout-3 (SEV1)"),
        (
            an_open(2),
            [an_open(3, severity="SEV2")],
            (1, 2),
            "top priority: #1 of 2 open; checkout-3 (SEV2) can wait",
        ),
        (
            an_open(2),
            [an_open(n) for n in (1, 3, 4, 5, 6)],
            (2, 6),
            "#2 of 6 open, can wait behind "
            "checkout-1 (SEV1); goes before checkout-3 (SEV1), checkout-4 (SEV1) and 2 more",
        ),
        (an_open(2), [an_open(1)], (2, 2), "#2 of 2 open, can wait behind checkout-1 (SEV1)"),
    ],
)
def test_which_incident_goes_first(
    mine: OpenIncident, others: list[OpenIncident], place: tuple[int, int], words: str
) -> None:
    """Priority, then severity, then the oldest; a page says it at a glance."""
    rank = rank_among(mine, others)
    assert ((rank.position, rank.of), rank.sentence()) == (place, words)


@pytest.mark.parametrize(
    ("before", "after", "others", "first"),
    [
        ("P1", "P3", ["P2"], "checkout-2"),  # it fell behind
        ("P3", "P1", ["P2"], "checkout-1"),  # it went ahead
        ("P1", "P2", ["P3"], None),
        ("P4", "P3", ["P1", "P2"], None),  # the middle changed, the first place did not
        ("P1", "P5", [], None),  # their only one
    ],
)
def test_a_person_hears_only_of_a_new_first_place(
    before: str, after: str, others: list[str], first: str | None
) -> None:
    """What goes first for a person has changed, or nothing worth a message has."""
    rows = [an_open(number, priority) for number, priority in enumerate(others, start=2)]
    order = first_changed([an_open(1, before), *rows], an_open(1, before), an_open(1, after))
    assert (order.first if order else None) == first
    if order is not None:
        assert order.first not in order.waits
        assert order.before not in ("", order.first)
        assert len(order.waits) == len(others)


def test_an_unknown_severity_has_the_lowest_default_priority_of_all() -> None:
    """Below every severity that the policy lists."""
    assert default_priority("GONE", ["SEV1", "SEV2", "SEV3"], 1) == "P4"


def test_the_policy_changes_roles_and_adds_its_own() -> None:
    """Built-in duties stay where the policy says nothing; a new role has a title of its own."""
    roles = roles_of(
        Policy.model_validate({"roles": {"tech_lead": {"many": False}, "db_expert": {}}})
    )
    assert set(roles) == {*BUILT_IN, "db_expert"}
    assert roles["tech_lead"].duties == BUILT_IN["tech_lead"].duties
    assert not roles["tech_lead"].many
    assert roles["db_expert"].title == "Db expert"
    assert all(role.title and role.duties for role in BUILT_IN.values())


def test_the_waits_between_tries_grow_and_end() -> None:
    """A page at most 15 s apart, another message at most five minutes, however often it failed."""
    assert next_page_try(0) == timedelta(seconds=2)
    assert next_message_try(0) == timedelta(seconds=5)
    assert next_page_try(10**6) == timedelta(seconds=15)
    assert next_message_try(10**6) == minutes(5)


def test_an_effect_is_wanted_once_until_it_is_settled() -> None:
    """Wanting it again keeps its tries; settling twice and postponing what is gone do nothing."""
    subject = Aggregate(id="x", effects={"k": Effect(key="k", kind="remind")})
    subject.postpone("k", T0)
    again = Effect(key="k", kind="remind")
    subject.record(Noted(text="t"), T0, follows=lambda *_: [again])
    assert (subject.effects["k"].attempt, subject.effects["k"].next_try) == (1, T0)
    subject.settle("k")
    subject.settle("k")
    subject.postpone("k", T0)
    assert subject.effects == {}

"""What a policy says of alerts that belong together: read, bounded, and warned of where it is idle."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from domain.policy.check import find_problems, find_warnings
from domain.policy.model import Policy
from tests.domain.policy.test_check import a_policy


def with_service(**fields: Any) -> dict[str, Any]:
    raw = a_policy()
    raw["services"]["checkout"] |= fields
    return raw


def test_a_rule_without_bounds_still_has_the_upper_one() -> None:
    """A trickle keeps no incident open for ever, though nobody thought of it."""
    raw = with_service(grouping={"labels": ["cluster"]})
    assert find_problems(raw) == []
    rule = Policy.model_validate(raw).services["checkout"].grouping
    assert rule is not None
    assert (rule.window, rule.at_most) == (None, timedelta(hours=24))


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"grouping": {"window": "0s"}}, "services.checkout.grouping.window"),
        ({"grouping": {"within": "5m"}}, "services.checkout.grouping.within"),
        ({"grouping": {"labels": "cluster"}}, "services.checkout.grouping.labels"),
        ({"reopen_within": "soon"}, "services.checkout.reopen_within"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_a_mistake_at_its_place(
    fields: dict[str, Any], where: str
) -> None:
    """No window at all, an unknown field, one label that is no list, words."""
    assert where in [problem.where for problem in find_problems(with_service(**fields))]


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"grouping": {"window": "5m"}, "fold": "key"}, "services.checkout.grouping"),
        ({"grouping": {"window": "2h", "at_most": "1h"}}, "services.checkout.grouping.window"),
        ({"reopen_within": "25h"}, "services.checkout.reopen_within"),
    ],
)
def test_a_rule_that_decides_nothing_is_a_warning(fields: dict[str, Any], where: str) -> None:
    """It loads, and its owner hears that it is not what they think."""
    raw = with_service(**fields)
    assert find_problems(raw) == []
    assert where in [one.where for one in find_warnings(Policy.model_validate(raw))]

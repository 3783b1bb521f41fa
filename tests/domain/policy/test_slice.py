"""What an incident pins of a policy: all that its rules need, and no address of anybody."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.errors import UnknownNameError
from domain.policy.model import Policy
from domain.policy.slice import UNKNOWN_SERVICE, PolicySlice, plan_for, slice_for
from tests.factories import a_policy, a_policy_slice, minutes


def waits(policy: Policy, service: str = "checkout") -> list[tuple[list[str], timedelta]]:
    return [(step.targets, step.after) for step in plan_for(policy, service).steps]


def test_a_step_that_says_no_wait_has_the_default() -> None:
    """The first at once, each other one after five minutes."""
    steps = [{"page": ["person:bob"]}, {"page": ["person:carol"]}, {"page": [], "after": "1m"}]
    policy = a_policy(escalation_policies={"payments": {"steps": steps}})
    assert [after for _, after in waits(policy)] == [minutes(0), minutes(5), minutes(1)]


def test_a_service_without_an_escalation_policy_pages_its_team() -> None:
    """And one without a team the catch-all."""
    services = {"checkout": {"team": "payments"}, "lone": {}}
    policy = a_policy(services=services, escalation_policies={})
    assert waits(policy) == [(["team:payments"], minutes(0))]
    assert waits(policy, "lone") == [(["person:carol"], minutes(0))]


def test_the_unknown_service_pages_the_catch_all() -> None:
    """An alert of no known service is heard, and its name is not for the outside."""
    pinned = slice_for(a_policy(), UNKNOWN_SERVICE)
    assert [step.targets for step in pinned.escalation.steps] == [["person:carol"]]
    assert (pinned.tier, pinned.public) == (1, False)


def test_a_process_may_have_a_cadence_and_roles_of_its_own() -> None:
    """Major severities follow its cadence; somebody is in charge whatever its roles are."""
    process = {"update_every": {"internal": "7m"}, "roles": ["tech_lead"]}
    pinned = slice_for(a_policy(processes={"light": process}), "checkout", "light")
    assert pinned.severities["SEV1"].update_every.internal == minutes(7)
    assert pinned.severities["SEV3"].update_every.internal is None
    assert set(pinned.roles) == {"incident_manager", "tech_lead"}


def test_an_unknown_type_follows_the_default_process() -> None:
    """A typo in a type does not silence the outside, nor make it speak."""
    assert slice_for(a_policy(), "checkout", "nonsense").external == "auto"
    assert slice_for(a_policy(), "checkout", "security").external == "never"


def test_no_contact_is_pinned() -> None:
    """Histories hold names, not addresses; the slice survives JSON."""
    pinned = a_policy_slice()
    text = pinned.model_dump_json()
    assert "@" not in text
    assert PolicySlice.model_validate_json(text) == pinned


@pytest.mark.parametrize("target", ["team:payments", "person:bob", "schedule:payments"])
def test_a_target_of_the_policy_is_taken(target: str) -> None:
    """Teams, persons and schedules."""
    a_policy_slice().require_target(target, "to")


@pytest.mark.parametrize("target", ["", "bob", "person:", ":bob", "robot:bob", "team:paymnts"])
def test_any_other_target_is_refused(target: str) -> None:
    """With the nearest one where there is one."""
    with pytest.raises(UnknownNameError):
        a_policy_slice().require_target(target, "to")


@pytest.mark.parametrize(
    ("one", "other", "is_higher"),
    [("SEV1", "SEV2", True), ("SEV2", "SEV1", False), ("SEV1", "SEV1", False),
     ("GONE", "SEV3", False), ("SEV3", "GONE", True)],
)  # fmt: skip
def test_the_policy_lists_the_worst_first(one: str, other: str, is_higher: bool) -> None:
    """The order of the file is the order of badness; what is not in it is never worse."""
    assert a_policy_slice().is_higher(one, other) is is_higher

"""The table of who may do what: complete, deny by default, and able to say what is missing."""

from __future__ import annotations

import pytest

from domain.access.roles import (
    EVERY,
    INCLUDES,
    VERBS,
    AccessRole,
    expanded,
    forbidden,
    may,
    may_some,
    verbs_of,
)
from domain.commands import COMMANDS
from domain.maintaining import ADD, REMOVE
from domain.postmortem.commands import POSTMORTEM_COMMANDS
from domain.roster_changes import ROSTER_CHANGES

R = AccessRole


@pytest.mark.parametrize(
    "command", [*COMMANDS, *POSTMORTEM_COMMANDS, *ROSTER_CHANGES, "declare", ADD, REMOVE]
)
def test_every_command_has_a_row(command: str) -> None:
    """A command that is added has to say who may give it; until then nobody may."""
    assert command in VERBS, f"{command} stands in no row of domain/access/roles.py"


def test_no_verb_stands_in_two_rows() -> None:
    """Each verb has one answer."""
    from domain.access.roles import ROWS

    listed = [verb for verbs in ROWS.values() for verb in verbs]
    assert sorted(listed) == sorted(set(listed))


def test_what_has_no_row_is_nobodys() -> None:
    """Not even all roles together may do what nobody has thought about."""
    assert not may(EVERY, "launch_rocket")
    assert not may_some(EVERY, "")


def test_roles_include_as_documented() -> None:
    """A manager is a responder is a viewer; comms and admin stand beside them."""
    assert expanded([R.MANAGER]) == {R.MANAGER, R.RESPONDER, R.VIEWER}
    assert expanded([R.COMMS]) == {R.COMMS, R.VIEWER}
    assert expanded([R.ADMIN]) == {R.ADMIN}
    assert expanded([R.INGEST]) == {R.INGEST}
    assert R.COMMS not in expanded([R.MANAGER])
    assert all(one in EVERY for more in INCLUDES.values() for one in more)


@pytest.mark.parametrize(
    ("roles", "verb", "is_allowed"),
    [
        ([R.VIEWER], "resolve", False),
        ([R.RESPONDER], "publish_update_external", False),
        ([R.MANAGER], "publish_update_external", False),
        ([R.COMMS], "publish_update_external", True),
        ([R.COMMS], "resolve", False),
        ([R.COMMS], "acknowledge", False),
        ([R.RESPONDER], "acknowledge", True),
        ([R.RESPONDER], "resolve", False),
        ([R.MANAGER], "resolve", True),
        ([R.INGEST], "read_incidents", False),
        ([R.ADMIN], "read_incidents", False),
        ([R.ADMIN], "create_token", True),
        ([R.MANAGER], "create_token", False),
        ([R.RESPONDER, R.COMMS], "publish_update_external", True),
        ([], "whoami", False),
    ],
)
def test_what_a_role_may_do(roles: list[AccessRole], verb: str, is_allowed: bool) -> None:
    """The cells that somebody would notice first."""
    assert may(roles, verb) is is_allowed


@pytest.mark.parametrize(
    ("command", "fields", "verbs"),
    [
        ("publish_update", {"audience": "internal"}, ("publish_update",)),
        ("publish_update", {"audience": "external"}, ("publish_update_external",)),
        ("publish_update", {"audience": ["internal"]}, ("publish_update_external",)),
        ("publish_update", {}, ("publish_update_external",)),
        ("assess", {"confirmed": True}, ("assess",)),
        ("assess", {"severity": "SEV3"}, ("assess", "set_severity")),
        ("assess", {"priority": "P1", "severity": "SEV1"}, ("assess", "set_severity", "set_priority")),
        ("set_contact", {"person": "alice"}, ("set_contact",)),
        ("set_contact", {"person": "bob"}, ("set_contact_of_another",)),
        ("note", {"text": "x"}, ("note",)),
    ],
)  # fmt: skip
def test_a_body_may_ask_for_more(command: str, fields: dict, verbs: tuple[str, ...]) -> None:
    """What reaches further needs its own right, and what is not plainly harmless counts as that."""
    assert verbs_of(command, fields, "alice") == verbs


@pytest.mark.parametrize(
    ("roles", "verb", "said"),
    [
        (
            [R.RESPONDER],
            "publish_update_external",
            "publish_update external needs the role comms; this token has responder",
        ),
        (
            [R.VIEWER, R.ADMIN],
            "note",
            "note needs the role responder or comms; this token has viewer and admin",
        ),
        ([], "resolve", "resolve needs the role manager; this token has no role"),
        ([R.ADMIN], "nonsense", "nonsense is allowed to nobody"),
    ],
)
def test_a_refusal_names_the_role_that_is_missing(
    roles: list[AccessRole], verb: str, said: str
) -> None:
    """Whoever is refused knows what to ask an admin for."""
    assert forbidden(roles, verb) == said

"""Names in a body against the policy in force, before anything is sent: a typo is told at once."""

from __future__ import annotations

from typing import Any

from domain.commands.base import Command
from domain.commands.paging import Escalate
from domain.commands.people import Delegate, HandOver, RoleCommand
from domain.declaring import Declaration
from domain.names import require_known
from domain.policy.model import Policy
from domain.policy.slice import UNKNOWN_SERVICE, slice_for
from domain.roles import roles_of
from domain.timeline import OPERATOR


def check_actor(policy: Policy, actor: str) -> None:
    """Refuse an actor who is neither the operator nor a person of the policy.

    Raises:
        UnknownNameError: with the near matches. Not retried.
    """
    if actor != OPERATOR:
        require_known("person", actor, policy.people, "actor")


def check_service(policy: Policy, service: str) -> None:
    """Refuse a service that the policy does not have; `unknown` always exists.

    Raises:
        UnknownNameError: with the near matches. Not retried.
    """
    require_known("service", service, [*policy.services, UNKNOWN_SERVICE], "service")


def check_declaration(policy: Policy, declaration: Declaration) -> None:
    """Refuse names in a declaration.

    Raises:
        UnknownNameError: with the near matches. Not retried.
    """
    check_actor(policy, declaration.actor)
    check_service(policy, str(declaration.body["service"]))
    declaration.check(slice_for(policy, str(declaration.body["service"])))


def check_command(policy: Policy, command: Command, actor: str) -> None:
    """Refuse names in a command.

    Raises:
        UnknownNameError: with the near matches. Not retried.
    """
    check_actor(policy, actor)
    severity: Any = getattr(command, "severity", None)
    if severity is not None:
        require_known("severity", severity, policy.severities, "severity")
    if isinstance(command, RoleCommand):
        require_known("role", command.role, roles_of(policy), "role")
    if isinstance(command, Delegate | HandOver):
        require_known("person", command.to, policy.people, "to")
    if isinstance(command, Escalate):
        slice_for(policy, UNKNOWN_SERVICE).require_target(command.to, "to")

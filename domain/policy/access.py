"""What a policy says of who may do what: roles of people, and what becomes of unsigned commands."""

from __future__ import annotations

from typing import Literal

from domain.policy.base import Strict


class Access(Strict):
    """Roles, signing in, and commands that come past the API."""

    unsigned: Literal["mark", "refuse"] = "mark"
    """A command without a valid claim, such as one typed into the Temporal UI: said so, or refused."""

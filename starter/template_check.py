"""What is wrong with the texts of an organisation: its own templates, and those that stand in its policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from domain.errors import Problem
from domain.policy.model import Policy

LINES = ("room", "bridge", "document")
"""Fields of `channels` that are templates."""


def check_texts(
    folder: Path | None, *, is_fatal: bool = True
) -> Callable[[Policy], Iterator[Problem]]:
    """A check for `records.policy_file.read_policy`.

    Args:
        folder: of `TOCSIN_TEMPLATES`; None where there is none.
        is_fatal: whether a mistake refuses the policy. Where people wait for pages it is a warning: a
            message whose template is broken goes out with the built-in text.
    """

    def check(policy: Policy) -> Iterator[Problem]:
        from templates.checking import line_problems, place_of, template_problems

        texts = {f"channels.{name}": getattr(policy.channels, name) for name in LINES}
        given = {where: text for where, text in texts.items() if text}
        found = line_problems(given)
        frames = {
            one.template: f"{one.hears}_update"
            for one in policy.audiences.values()
            if one.template is not None
        }
        found += template_problems(folder, frames)
        named = {
            place_of(one.template): f"audiences.{name}.template"
            for name, one in policy.audiences.items()
            if one.template is not None
        }
        for problem in found:
            where = named.get(problem.where, problem.where)
            yield problem.model_copy(update={"warning": not is_fatal, "where": where})

    return check

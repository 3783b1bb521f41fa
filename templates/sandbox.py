"""Where templates run: a sandbox of jinja2, strict about names, escaping by what a file is for.

Nothing here knows who wrote a template. Ours run in this process; those of an organisation run in one
that can be killed (`killable.py`), and both are filled in by this module.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, TemplateNotFound
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from templates.filters import FILTERS, line, markdown, plain, short
from templates.markdown import public_html, public_text

BUILT_IN = Path(__file__).parent
ALL_FILTERS: dict[str, Callable[..., Any]] = {
    **FILTERS,
    "public_html": public_html,
    "public_text": public_text,
}


class TemplateFaultError(Exception):
    """A template that cannot be filled in: its name and why, in one line."""


class Sandbox:
    """Fills in the templates of some folders, the first that has a file before the others."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._loader = FileSystemLoader([str(folder) for folder in folders])
        self.text = _environment(self._loader)
        self._html = _environment(self._loader, autoescape=True)
        self._markdown = _environment(self._loader, finalize=_for_markdown)

    def fill(self, name: str, context: Mapping[str, Any]) -> str:
        """One file; what it is escaped for follows from its name: `.html.j2`, `.md.j2`, else text.

        Raises:
            TemplateFaultError: it is not there, is broken, or misses a name.
        """
        environment = self.environment_of(name)
        return _checked(name, lambda: environment.get_template(name).render(context))

    def fill_line(self, source: str, context: Mapping[str, Any]) -> str:
        """A template that is no file but a text.

        Raises:
            TemplateFaultError: as `fill`.
        """
        return line(_checked(source, lambda: self.text.from_string(source).render(context)))

    def environment_of(self, name: str) -> SandboxedEnvironment:
        """Who escapes for the sink of that file."""
        if name.endswith(".html.j2"):
            return self._html
        return self._markdown if name.endswith(".md.j2") else self.text

    def has(self, name: str) -> bool:
        """Whether any folder holds the file."""
        try:
            self._loader.get_source(self._html, name)
        except TemplateNotFound:
            return False
        except UnicodeDecodeError:
            pass  # it is there; filling it in says what is wrong with it
        return True


def line_of(error: BaseException) -> int | None:
    """The line of the template in which it went wrong, where that is known."""
    found = getattr(error, "lineno", None)
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.endswith((".j2", "<template>")):
            found = trace.tb_lineno
        trace = trace.tb_next
    return found if isinstance(found, int) and found > 0 else None


def _environment(loader: FileSystemLoader, **options: Any) -> SandboxedEnvironment:
    environment = SandboxedEnvironment(
        loader=loader,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        **options,
    )
    environment.filters.update(ALL_FILTERS)
    return environment


def _for_markdown(value: Any) -> Any:
    """Escape whatever a template for Markdown puts out, but what a filter has escaped already."""
    return value if isinstance(value, Markup) else markdown(value)


def _checked(name: str, render: Callable[[], str]) -> str:
    try:
        return re.sub(r"\n{3,}", "\n\n", plain(render())).strip() + "\n"
    except MemoryError:
        raise  # of a process that has little: it ends
    except Exception as error:  # a template is code of its own: it may raise anything
        at = line_of(error)
        where = f" (line {at})" if at else ""
        why = short(f"{type(error).__name__}: {error}", 200)
        raise TemplateFaultError(f"template {short(name, 80)}: {why}{where}") from error

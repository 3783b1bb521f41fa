"""A little Markdown for what the public reads: paragraphs, lists, emphasis, code and https links.

Nothing else has a meaning: headings, tables, pictures and HTML stay the characters that they are. The
parser knows no HTML, and what it makes is cleaned against a list once more, so that one fault of
either is not one of the page.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from templates.filters import plain

MAX_CHARS = 16_384
"""As much as a person's text can hold; what is beyond is cut."""
TAGS = {"p", "br", "strong", "em", "code", "ul", "ol", "li", "a"}
REL = "nofollow noopener noreferrer"
_ADDRESS = re.compile(r"https://[^\s<>\"'`\\()\[\]]+[^\s<>\"'`\\()\[\].,:;!?*_~]")
_NAMES_A_HOST = re.compile(r"(?:https?:/*|www\.)|\b[a-z0-9-]+(?:\.[a-z0-9-]+)+\b", re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
"""A host as it goes over the wire: letters of other alphabets are written out by then."""
_OFF = ("heading", "lheading", "hr", "blockquote", "fence", "code", "reference", "html_block")
_INLINE_OFF = ("image", "html_inline")


def public_html(text: str) -> Markup:
    """HTML of an author's Markdown, for a page or a mail: nothing in it runs, loads or poses as ours.

    Args:
        text: of people; at most `MAX_CHARS` of it count.
    """
    tokens = _parsed(text)
    made = _PARSER.renderer.render(tokens, _PARSER.options, {})
    cleaned = nh3.clean(
        made,
        tags=TAGS,
        attributes={"*": set(), "a": {"href"}},
        url_schemes={"https"},
        link_rel=REL,
    )
    return Markup(cleaned.strip())


def public_text(text: str) -> str:
    """The same as plain text, for feeds, JSON and short forms: links with their address behind them."""
    written: list[str] = []
    numbers: list[int | None] = []
    for token in _parsed(text):
        if token.type in ("bullet_list_open", "ordered_list_open"):
            start = int(token.attrs.get("start", 1)) if token.type.startswith("ordered") else None
            numbers.append(start)
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            numbers.pop()
            written.append("" if numbers else "\n")
        elif token.type == "list_item_open":
            number, indent = numbers[-1], "  " * (len(numbers) - 1)
            written.append(indent + ("- " if number is None else f"{number}. "))
            numbers[-1] = None if number is None else number + 1
        elif token.type == "inline":
            written.append(_spoken(token.children or []))
        elif token.type == "paragraph_close":
            written.append("\n" if token.hidden or numbers else "\n\n")
    return re.sub(r"\n{3,}", "\n\n", "".join(written)).strip()


def is_public_link(address: str) -> bool:
    """Whether an address may stand behind a link: https, a host, and nobody's name in front of it."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    return parts.scheme == "https" and "@" not in parts.netloc and bool(_HOST.fullmatch(host or ""))


def _parsed(text: str) -> list[Token]:
    tokens = _PARSER.parse(plain(text)[:MAX_CHARS])
    for token in tokens:
        if token.children:
            token.children = _with_addresses(_without_masks(token.children))
    return tokens


def _without_masks(tokens: Sequence[Token]) -> list[Token]:
    """The text of a link must not name another place than the one it leads to."""
    kept: list[Token] = []
    opened: int | None = None
    for token in tokens:
        if token.type == "link_open":
            opened = len(kept)
        kept.append(token)
        if token.type == "link_close" and opened is not None:
            start = kept[opened]
            if _is_masked(_spoken(kept[opened + 1 : -1]), str(start.attrs.get("href", ""))):
                inside = kept[opened + 1 : -1]
                kept[opened:] = [*inside, _text(f" ({start.attrs.get('href', '')})")]
            opened = None
    return kept


def _is_masked(shown: str, address: str) -> bool:
    host = urlsplit(address).hostname or ""
    named = [found.group().lower() for found in _NAMES_A_HOST.finditer(shown)]
    return any(
        not (name.startswith(("http", "www.")) and name in address.lower())
        and not host.endswith(name)
        for name in named
    )


def _with_addresses(tokens: Sequence[Token]) -> list[Token]:
    """An https address in the text becomes a link, as readers expect of one."""
    made: list[Token] = []
    in_link = 0
    for token in tokens:
        in_link += token.nesting if token.type.startswith("link_") else 0
        if token.type != "text" or in_link:
            made.append(token)
            continue
        at = 0
        for found in _ADDRESS.finditer(token.content):
            address = found.group()
            if not is_public_link(address):
                continue
            opening = Token("link_open", "a", 1, attrs={"href": address})
            made += [_text(token.content[at : found.start()]), opening, _text(address)]
            made.append(Token("link_close", "a", -1))
            at = found.end()
        made.append(_text(token.content[at:]))
    return made


def _spoken(tokens: Sequence[Token]) -> str:
    """Inline tokens as text."""
    said: list[str] = []
    opened: list[tuple[int, str]] = []
    for token in tokens:
        if token.type == "link_open":
            opened.append((len(said), str(token.attrs.get("href", ""))))
        elif token.type == "link_close":
            start, address = opened.pop()
            if "".join(said[start:]) != address:
                said.append(f" ({address})")
        elif token.type in ("softbreak", "hardbreak"):
            said.append("\n")
        elif token.type in ("text", "code_inline"):
            said.append(token.content)
    return "".join(said)


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


class _PublicMarkdown(MarkdownIt):
    """CommonMark without what the list above leaves out."""

    def validateLink(self, url: str) -> bool:
        """Called by the parser for each link; what is refused stays text."""
        return is_public_link(url)


_PARSER = _PublicMarkdown("commonmark", {"html": False, "breaks": True}).disable(
    [*_OFF, *_INLINE_OFF]
)

"""HTML of a mail as plain text: blocks become lines, and what is not shown is left out.

Read by one pass that never goes back: the standard library's parser needs minutes for a hostile mail of
200 kB. What it takes for text may be more than a browser would, never less.
"""

from __future__ import annotations

import html
import re

BLOCKS = frozenset({
    "p", "div", "br", "tr", "li", "ul", "ol", "table", "h1", "h2", "h3", "h4", "h5", "h6", "hr",
    "section", "article", "header", "footer", "blockquote", "pre",
})  # fmt: skip
CELLS = frozenset({"td", "th"})
UNSEEN = frozenset({"script", "style", "head", "title", "template", "noscript"})
MAX_CHARS = 200_000
COMMENT = "<!--"
# Possessive (`*+`): a tag without an end is given up at once instead of being tried at every length.
_TOKEN = re.compile(r"<!--|-->|<(/?)([a-zA-Z][a-zA-Z0-9]*+)[^<>]*+>|<![^<>]*+>")


def text_of_html(source: str) -> str:
    """The text that a reader would see, its lines without blanks around them and no empty ones doubled."""
    source = source[:MAX_CHARS]
    pieces: list[str] = []
    unseen, at = "", 0
    for token in _TOKEN.finditer(source):
        if not unseen:
            pieces.append(source[at : token.start()])
        at = token.end()
        tag, is_end = (token[2] or "").lower(), token[1] == "/"
        if unseen:
            if (unseen == COMMENT and token[0] == "-->") or (is_end and tag == unseen):
                unseen = ""
        elif token[0] == COMMENT:
            unseen = COMMENT
        elif tag in UNSEEN and not is_end:
            unseen = tag
        elif tag in BLOCKS:
            pieces.append("\n")
        elif tag in CELLS and not is_end:
            pieces.append(" ")
    if not unseen:
        pieces.append(source[at:])
    lines = [" ".join(line.split()) for line in html.unescape("".join(pieces)).splitlines()]
    kept = [line for index, line in enumerate(lines) if line or (index and lines[index - 1])]
    return "\n".join(kept).strip()

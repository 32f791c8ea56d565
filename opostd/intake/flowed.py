"""``format=flowed`` undone: the paragraphs as they were typed (RFC 3676 4.2 to 4.4).  Pure.

A soft-broken line in Markdown would be read as typed line by line, and space-stuffing as an indent.
"""

import re

_QUOTES = re.compile(r">*")
SIGNATURE = "-- "  # ends a paragraph though it ends with a space (RFC 3676 4.3)


def unflowed(text: str, *, delsp: bool) -> str:
    """The text with each paragraph in one line.  delsp: the space at a soft break was put in (RFC 3676 4.5)."""
    lines: list[str] = []
    depth_before = 0
    soft = False
    for line in text.split("\n"):
        depth = _QUOTES.match(line).end()  # type: ignore[union-attr]  # matches nothing too
        content = line[depth:]
        content = content[1:] if content.startswith(" ") else content  # stuffed
        is_signature = content == SIGNATURE
        if soft and depth == depth_before and not is_signature:
            lines[-1] += content
        else:
            lines.append(f"{'>' * depth} {content}" if depth else content)
        soft = content.endswith(" ") and not is_signature
        if soft and delsp:
            lines[-1] = lines[-1][:-1]
        depth_before = depth
    return "\n".join(lines)

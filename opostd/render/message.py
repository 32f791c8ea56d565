"""The HTML document of a mail around a clean fragment, and the document of a text that is shown as written.  Pure.

One div of at most 40em in the system's font, no table, no fixed background; the style element is ours and says only
what a style attribute cannot.  Nothing in it is fetched.  Uses the standard library only: the daemon itself imports
it.
"""

import html
import re

_HEAD = """<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<style>
@media (prefers-color-scheme: dark) { a { color: #8ab4f8 } }
</style>
</head>
<body>
<div style="max-width: 40em; margin: 0 auto; line-height: 1.5; font-family: system-ui, -apple-system, sans-serif">
"""
_FOOT = """
</div>
</body>
</html>
"""
# NUL and the other controls are no HTML; a lone surrogate is no UTF-8.
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def clean_text(text: str) -> str:
    """The text with U+FFFD for what cannot stand in a UTF-8 document, and LF for every line end."""
    return _NO_TEXT.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def document(fragment: str) -> str:
    """The whole HTML document around a fragment that the sanitizer returned."""
    return f"{_HEAD}{fragment}{_FOOT}"


def fallback(source: str) -> str:
    """The whole document of a source shown as it was written: what could not be rendered in time is still readable."""
    return document(f'<pre style="white-space: pre-wrap">{html.escape(clean_text(source), quote=False)}</pre>')

"""Markdown to an HTML fragment that nobody may trust yet: raw HTML is let in here, and cleaned by ``sanitize``.

Python-Markdown with tables, fenced code, footnotes and sane lists (libraries.md 2); line ends in a paragraph stay
spaces.  Code that names its language is coloured by Pygments with the colours in place, for mail has no style sheets.
Pure; the cost is the author's to choose (quadratic brackets, deep quotes), so it runs in a worker only.
"""

from xml.etree import ElementTree

import markdown
from markdown.extensions.codehilite import CodeHiliteExtension
from markdown.extensions.fenced_code import FencedCodeExtension
from markdown.extensions.footnotes import FootnoteExtension
from markdown.extensions.sane_lists import SaneListExtension
from markdown.extensions.tables import TableExtension
from markdown.treeprocessors import Treeprocessor
from pygments.style import Style
from pygments.token import Comment, Error, Generic, Keyword, Name, Number, Operator, String, Token

TAB_LENGTH = 4


class CodeColours(Style):
    """Colours of middle lightness: each has a contrast of 4 or more on white and on the black of a dark mail
    program."""

    background_color = "transparent"
    styles = {  # noqa: RUF012 - Pygments reads it so, from the class
        Token: "",
        Comment: "italic #767676",
        Keyword: "bold #8a63d2",
        Operator.Word: "bold #8a63d2",
        Name.Builtin: "#0d7f9e",
        Name.Function: "#1f75cb",
        Name.Class: "bold #1f75cb",
        Name.Decorator: "#0d7f9e",
        Name.Tag: "#1f75cb",
        Name.Attribute: "#8a63d2",
        String: "#2e8540",
        Number: "#b75501",
        Generic.Deleted: "#d13438",
        Generic.Inserted: "#2e8540",
        Generic.Heading: "bold",
        Generic.Emph: "italic",
        Generic.Strong: "bold",
        Error: "#d13438",
    }


class _ImagesFromAfar(Treeprocessor):
    """A remote image becomes a link: a mail that fetches pictures tells their owner who reads it, and when."""

    def run(self, root: ElementTree.Element) -> None:
        self._walk(root, inside_link=False)

    def _walk(self, element: ElementTree.Element, *, inside_link: bool) -> None:
        for child in element:
            if child.tag == "img" and not child.get("src", "").lower().startswith("cid:"):
                self._replace(child, inside_link=inside_link)
            self._walk(child, inside_link=inside_link or child.tag == "a")

    @staticmethod
    def _replace(image: ElementTree.Element, *, inside_link: bool) -> None:
        source, tail = image.get("src", ""), image.tail
        text = image.get("alt") or source
        image.clear()
        image.tag = "span" if inside_link else "a"
        if not inside_link:
            image.set("href", source)
        image.text, image.tail = text, tail


def _converter() -> markdown.Markdown:
    converter = markdown.Markdown(
        extensions=[
            TableExtension(),
            FencedCodeExtension(),
            FootnoteExtension(),
            SaneListExtension(),
            # Guessing tries every lexer there is, and nobackground keeps a dark mail program dark.
            CodeHiliteExtension(guess_lang=False, linenums=False, noclasses=True, pygments_style=CodeColours,
                                nobackground=True),
        ],
        output_format="html",
        tab_length=TAB_LENGTH,
    )  # fmt: skip
    converter.treeprocessors.register(_ImagesFromAfar(converter), "images_from_afar", 1)
    return converter


def to_html(source: str) -> str:
    """The HTML of a Markdown text, not yet cleaned.  Raises whatever the libraries raise, RecursionError among it."""
    return _converter().convert(source)

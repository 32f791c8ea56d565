"""How a mail looks: our few rules of CSS, written into the elements by css-inline.  Pure.

It comes before the sanitizer, which sees what it made.  No colour of text or background is set, so that light and dark
mail programs show their own; lines and shades are half transparent, which fits both.
"""

import css_inline

RULES = """
h1, h2, h3, h4, h5, h6 { line-height: 1.25; margin: 1.2em 0 .5em }
p, ul, ol, dl, pre, blockquote, table { margin: 0 0 1em }
pre, code, kbd, samp { font-family: ui-monospace, menlo, consolas, monospace; font-size: .9em }
pre { padding: .7em 1em; border: 1px solid rgba(128, 128, 128, .4); border-radius: 4px; overflow-x: auto }
pre code { font-size: 1em }
blockquote { padding: 0 0 0 1em; border-left: 3px solid rgba(128, 128, 128, .5) }
table { border-collapse: collapse }
th, td { padding: .3em .6em; border: 1px solid rgba(128, 128, 128, .5) }
hr { border: 0; border-top: 1px solid rgba(128, 128, 128, .5) }
img { max-width: 100% }
.footnote { font-size: .9em }
"""

# Neither the author's <style> nor <link> counts, and nothing is ever fetched.
_INLINER = css_inline.CSSInliner(inline_style_tags=False, load_remote_stylesheets=False)


def inline(fragment: str) -> str:
    """The fragment with our rules in its style attributes; what an element says of itself wins.  Still not clean."""
    return _INLINER.inline_fragment(fragment, RULES)

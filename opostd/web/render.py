"""Pages from templates, and the headers that each of them has."""

from functools import cache
from http import HTTPStatus
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response

from opostd import __version__
from opostd.web.sessions import Session
from opostd.web.visit import Visit

POLICY = (
    "default-src 'none'; style-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
# Of a message in its frame: nothing of it runs or is fetched; its links open a window of their own
MESSAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)
# With no-referrer a browser says ``Origin: null`` of our own forms (Fetch 3.2.1).  Others are told nothing either way
REFERRER_POLICY = "same-origin"
SEE_OTHER = HTTPStatus.SEE_OTHER


@cache
def _templates() -> Environment:
    found = Environment(loader=PackageLoader("opostd.web"), autoescape=True, undefined=StrictUndefined)
    found.filters["when"] = lambda iso: iso[:16].replace("T", " ")
    return found


def page(name: str, session: Session | None, /, *, status: int = 200, **values: Any) -> Response:
    """The page of a template."""
    html = _templates().get_template(f"{name}.html").render(session=session, version=__version__, **values)
    return HTMLResponse(html, status, {"Content-Security-Policy": POLICY, "Referrer-Policy": REFERRER_POLICY})


def message(document: str) -> Response:
    """A message's own document, for its frame."""
    framed = document.replace("<head>", '<head>\n<base target="_blank">', 1)
    return HTMLResponse(framed, headers={"Content-Security-Policy": MESSAGE_POLICY})


def go(where: str) -> Response:
    """To another page of ours, after a form."""
    return RedirectResponse(where, SEE_OTHER)


def local(where: str) -> str:
    """A path of ours, and no other place to which a link could lead a browser."""
    fine = where.startswith("/") and not where.startswith(("//", "/\\")) and where.isprintable() and "\\" not in where
    return where if fine and len(where) < 500 else "/inbox"


def style(visit: Visit) -> Response:
    return Response(_STYLE, media_type="text/css", headers={"Cache-Control": "max-age=3600"})


_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60em; margin: 0 auto; padding: 0 1em 3em }
nav { display: flex; gap: 1.5em; align-items: baseline; padding: 1em 0; border-bottom: 1px solid #8886 }
nav form { margin-left: auto }
h1 { font-size: 1.4em }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; padding: .3em .8em .3em 0; border-bottom: 1px solid #8884; vertical-align: top }
form { display: inline }
label { display: block; margin: .6em 0 }
input { font: inherit; padding: .3em }
button { font: inherit; padding: .2em .8em; cursor: pointer }
iframe { width: 100%; height: 70vh; border: 1px solid #8886; background: Canvas }
.unread { font-weight: 600 }
.small { font-size: .85em; opacity: .75 }
.wrong { color: #c33 }
"""

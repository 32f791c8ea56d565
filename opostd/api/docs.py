"""The API's description for people: one page, made of the OpenAPI document, that loads nothing."""

from html import escape
from typing import Any

POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em }
:root { color-scheme: light dark }
code { font: 14px/1.4 ui-monospace, monospace }
h2 { border-top: 1px solid #8886; padding-top: 1em; font-size: 1.1em }
table { border-collapse: collapse }
td { text-align: left; padding: .1em 1em .1em 0; vertical-align: top }
"""


def page(openapi: dict[str, Any]) -> str:
    """The whole document."""
    info = openapi["info"]
    parts = [
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>",
        f"<p>{escape(info['description'])} The same for programs: <a href='openapi.json'>openapi.json</a>.</p>",
        "<p>Errors are <code>application/problem+json</code> (RFC 9457). HEAD and OPTIONS work everywhere.</p>",
    ]
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            parts.append(_operation(path, method, operation, openapi))
    parts.append("<h1>What is answered and taken</h1>")
    parts += [_schema(name, schema) for name, schema in openapi["components"].get("schemas", {}).items()]
    style = f"<style>{_STYLE}</style>"
    head = f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>opostd: API</title>{style}'
    return head + "\n".join(parts) + "</html>\n"


def _operation(path: str, method: str, operation: dict[str, Any], openapi: dict[str, Any]) -> str:
    rows = [
        (each["name"], each["in"], _type(each["schema"]), each.get("description", ""))
        for each in operation.get("parameters", [])
    ]
    taken = operation.get("requestBody", {}).get("content", {})
    rows += [(kind, "body", _type(content.get("schema", {})), "") for kind, content in taken.items()]
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            content = response.get("content", {}) or {"": {}}
            rows += [(kind, f"{status}", _type(each.get("schema", {})), "") for kind, each in content.items()]
    return (
        f"<h2><code>{escape(method.upper())} {escape(path)}</code></h2><p>{escape(operation['summary'])}</p>"
        + _table(rows)
    )


def _schema(name: str, schema: dict[str, Any]) -> str:
    rows = [
        (field, "", _type(each), each.get("description", "")) for field, each in schema.get("properties", {}).items()
    ]
    text = escape(schema.get("description", "")).replace("\n\n", "<br>")
    return f"<h2 id='{escape(name)}'><code>{escape(name)}</code></h2><p>{text}</p>" + _table(rows)


def _table(rows: list[tuple[str, str, str, str]]) -> str:
    lines = [
        f"<tr><td><code>{escape(name)}</code><td>{escape(where)}<td>{kind}<td>{escape(text)}"
        for name, where, kind, text in rows
    ]
    return f"<table>{''.join(lines)}</table>" if lines else ""


def _type(schema: dict[str, Any]) -> str:
    if ref := schema.get("$ref"):
        name = escape(ref.rpartition("/")[2])
        return f"<a href='#{name}'>{name}</a>"
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return escape(str(schema.get("title" if schema.get("type") == "object" else "type", "")))

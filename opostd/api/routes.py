"""The table of what may be asked: a row is the whole registration of a method of a resource.

Dispatch, OPTIONS, the field Allow and the OpenAPI description are read from it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from opostd.api import groups, held, posts, reach, sending, subscriptions, user
from opostd.api.caller import PREFIX

JSON = "application/json"
MESSAGE = sending.MESSAGE


@dataclass(frozen=True, slots=True)
class Row:
    """path: below PREFIX; text: what it does, in a line; answers: the media type; takes: those of the body."""

    method: str
    path: str
    handler: Callable[..., Any]
    text: str
    status: int = 200
    answers: str = JSON
    takes: tuple[str, ...] = ()

    @property
    def whole(self) -> str:
        return PREFIX + self.path

    @property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"\{\w+\}", "[^/]+", re.escape(self.whole).replace(r"\{", "{").replace(r"\}", "}")))


POST, GROUP = "/posts/{id}", "/groups/{group}"
ROWS: tuple[Row, ...] = (
    Row("GET", "/", user.index, "Where things are."),
    Row("GET", "/user", user.user, "Who one is."),
    Row("GET", "/boxes", user.list_boxes, "One's mailboxes, counted."),
    Row("GET", "/posts", posts.list_posts, "A page of a mailbox, the newest first."),
    Row("POST", "/posts", sending.send_post, "Write a post.", 201, takes=(JSON, MESSAGE)),
    Row("GET", POST, posts.show_post, "A post in one's mailboxes, and how it came there."),
    Row("PATCH", POST, posts.change_post, "Mark it, or move it to another mailbox.", takes=(JSON,)),
    Row("DELETE", POST, posts.delete_post, "Remove it from one's mailboxes, for good.", 204, ""),
    Row("GET", f"{POST}/text", posts.show_text, "What it says, as plain text.", answers="text/plain"),
    Row("GET", f"{POST}/html", posts.show_html, "What it says, as HTML with nothing harmful.", answers="text/html"),
    Row("GET", f"{POST}/raw", posts.show_raw, "The message, octet by octet.", answers=MESSAGE),
    Row("GET", f"{POST}/reach", reach.show_reach, "How far a post of one's own has come, in counts."),
    Row("GET", f"{POST}/reach/time", reach.over_time, "How it went on over time."),
    Row("GET", f"{POST}/reach/names", reach.readers, "Who has it and has read it: for owners of its groups."),
    Row("POST", f"{POST}/recall", reach.recall, "Take it back, out of its groups and every mailbox.", takes=(JSON,)),
    Row("GET", "/groups", groups.list_groups, "The groups that one reads, has a role in, or may ask to join."),
    Row("GET", GROUP, groups.show_group, "One of them."),
    Row("GET", f"{GROUP}/members", groups.list_members, "Who is in it: for its owners and moderators."),
    Row("GET", f"{GROUP}/membership", groups.show_membership, "Whether one reads it."),
    Row("PUT", f"{GROUP}/membership", groups.join, "Join it; 202 where somebody decides first."),
    Row("DELETE", f"{GROUP}/membership", groups.leave, "Leave it; what was received stays.", 204, ""),
    Row("GET", "/held", held.list_held, "What waits for one's decision."),
    Row("GET", "/held/{id}", held.show_held, "One post that waits, for each of its groups."),
    Row("GET", "/held/{id}/raw", held.show_held_raw, "The message that waits.", answers=MESSAGE),
    Row("POST", "/held/{id}/accept", held.accept, "Let it go on to its groups.", 204, ""),
    Row("POST", "/held/{id}/discard", held.discard, "Let it go nowhere; an author who had logged in is told.", 204, ""),
    Row("GET", "/subscriptions", subscriptions.list_subscriptions, "What one reads, into which mailbox, how far."),
    Row("GET", "/subscriptions/{group}", subscriptions.show_subscription, "One group of these."),
    Row("PATCH", "/subscriptions/{group}", subscriptions.change_subscription, "Its mailbox, history.", takes=(JSON,)),
)  # fmt: skip

_BY_PATTERN: dict[str, tuple[re.Pattern[str], list[Row]]] = {}
for _each in ROWS:
    _BY_PATTERN.setdefault(_each.path, (_each.pattern, []))[1].append(_each)


def rows_at(path: str) -> Sequence[Row]:
    """The rows of a path; none where there is no such resource."""
    return next((rows for pattern, rows in _BY_PATTERN.values() if pattern.fullmatch(path)), [])


def allowed(rows: Sequence[Row]) -> str:
    """What the field Allow says (RFC 9110 10.2.1)."""
    methods = [row.method for row in rows]
    return ", ".join(dict.fromkeys([*methods, *(["HEAD"] if "GET" in methods else []), "OPTIONS"]))


def described(rows: Sequence[Row]) -> dict[str, Any]:
    """What OPTIONS answers: of each method what it does, takes and answers."""
    return {
        "path": rows[0].whole,
        "methods": {
            row.method: {"description": row.text, "takes": list(row.takes), "answers": row.answers or None}
            for row in rows
        },
    }

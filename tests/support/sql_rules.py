"""The rules of the store's SQL (distributed.md 4), checked on every statement that the tests run.

A distributed engine would refuse these statements, or run them wrongly; here they fail the test that runs them.
"""

import re
from typing import Any

import sqlalchemy as sa

from opostd.store.groups import Group
from opostd.store.schema import metadata

GROUPS = {name: group for group in Group for name in metadata[group].tables}
FORBIDDEN = re.compile(
    r"\bFOR\s+(NO KEY )?(UPDATE|SHARE)\b|\bnextval\b|\bpg_(try_)?advisory|\bTRIGGER\b|\bSAVEPOINT\b|\bSERIAL\b"
    r"|\bRANDOM\s*\(|\bclock_timestamp\b",
    re.IGNORECASE,
)
TABLES = re.compile(r"\b(?:FROM|JOIN|INTO|UPDATE)\s+\"?(\w+)\"?(?:\s*,\s*\"?(\w+)\"?)?", re.IGNORECASE)
OWNER = re.compile(r"\bowner_id\s*(=|IN\b)", re.IGNORECASE)
KEY_OF = {
    Group.DIRECTORY: re.compile(r"\baddr\s*(=|IN\b)", re.IGNORECASE),
    Group.OWNER: OWNER,
}
# The reaper's question, the administrator's list of accounts, who has a post, who reads a source, what is set aside
# and who has looked at their mail go over all owners (rule 1); step 0012 of the directory over all groups.
SCATTERS = (
    re.compile(r"SELECT address\.addr, .*FROM address\s+WHERE address\.kind = ", re.IGNORECASE | re.DOTALL),
    re.compile(r"SELECT .*FROM subscription\s+WHERE subscription\.source_box = ", re.IGNORECASE | re.DOTALL),
    re.compile(
        r"SELECT delivered_post\.owner_id, delivered_post\.bits, delivered_post\.savedate\s+FROM delivered_post\s+"
        r"WHERE delivered_post\.post_id = ",
        re.IGNORECASE,
    ),
    re.compile(
        r"SELECT delivered_post\.owner_id, delivered_post\.box_id, delivered_post\.uid, delivered_post\.bits\s+"
        r"FROM delivered_post\s+WHERE delivered_post\.post_id = ",
        re.IGNORECASE,
    ),
    re.compile(
        r"SELECT DISTINCT .*FROM delivered_post\s+WHERE delivered_post\.post_id (IN|= any)", re.IGNORECASE | re.DOTALL
    ),
    re.compile(
        r"SELECT delivered_post\.owner_id AS owner_id, .*FROM delivered_post\s+WHERE delivered_post\.post_id = ",
        re.IGNORECASE | re.DOTALL,
    ),
    re.compile(
        r"SELECT min\(delivered_post\.savedate\) AS saved\s+FROM delivered_post\s+WHERE delivered_post\.post_id = ",
        re.IGNORECASE,
    ),
    re.compile(r"(SELECT|DELETE) .*FROM dismissed\s+WHERE dismissed\.post_id (=|IN)", re.IGNORECASE | re.DOTALL),
    re.compile(r"SELECT DISTINCT .*FROM set_aside\s+WHERE set_aside\.post_id IN", re.IGNORECASE | re.DOTALL),
    re.compile(r"SELECT .*FROM set_aside\s+WHERE set_aside\.next_at", re.IGNORECASE | re.DOTALL),
    re.compile(r"SELECT active\.owner_id\s+FROM active\s+WHERE active\.owner_id > .*LIMIT", re.IGNORECASE | re.DOTALL),
    re.compile(r"DELETE FROM active WHERE active\.owner_id > .*seen <", re.IGNORECASE | re.DOTALL),
    re.compile(r"FROM subscription JOIN active ON active\.owner_id = subscription\.owner_id\s+WHERE", re.IGNORECASE),
    re.compile(r"FROM account\s+WHERE account\.owner_id > .*LIMIT", re.IGNORECASE | re.DOTALL),
)


class BadSql(AssertionError):
    """A statement that breaks a rule of the store."""


def violation(statement: str) -> str | None:
    """What is wrong with a statement, or None."""
    text = re.sub(r"'[^']*'", "''", statement)
    if found := FORBIDDEN.search(text):
        return f"{found[0]} is not portable"
    tables = {name for pair in TABLES.findall(text) for name in pair if name in GROUPS}
    groups = {GROUPS[name] for name in tables}
    if len(groups) > 1:
        return f"one statement over {sorted(group.value for group in groups)}"
    verb = text.lstrip().split(None, 1)[0].upper() if text.strip() else ""
    if not groups or verb not in ("SELECT", "UPDATE", "DELETE") or any(each.search(text) for each in SCATTERS):
        return None
    key = KEY_OF.get(groups.pop())
    if key is None:
        return _post_key(verb, tables, text)
    where = text.upper().find("WHERE")
    if where < 0 or not key.search(text, where):
        return f"no {key.pattern} in its WHERE"
    return None


def _post_key(verb: str, tables: set[str], text: str) -> str | None:
    """Posts are found by id, but for the reaper's pages of ids; the spool and the reaper's list are gone through."""
    if not tables & {"post_body", "post_search"}:
        return None
    return None if re.search(r"\bid\s*(=|IN\b)", text[text.upper().find("WHERE") :]) else "no id in its WHERE"


def _check(
    connection: sa.Connection, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
) -> None:
    if not _of_the_store(connection):
        return
    if found := violation(statement):
        raise BadSql(f"{found}: {statement}")


def _of_the_store(connection: sa.Connection) -> bool:
    """Tests may look into the database with an engine that says so: ``execution_options={"outside": True}``."""
    return not connection.get_execution_options().get("outside")


def install() -> None:
    """Checks every statement of this process from now on."""
    if not sa.event.contains(sa.Engine, "before_cursor_execute", _check):
        sa.event.listen(sa.Engine, "before_cursor_execute", _check)

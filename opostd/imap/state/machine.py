"""The four states of a connection (RFC 9051 section 3) and what is allowed in each."""

from enum import Flag, auto


class State(Flag):
    """A connection is in one of these; a row of the command table names those it is allowed in."""

    NOT_AUTHENTICATED = auto()
    AUTHENTICATED = auto()
    SELECTED = auto()
    LOGOUT = auto()


ANY = State.NOT_AUTHENTICATED | State.AUTHENTICATED | State.SELECTED
LOGGED_IN = State.AUTHENTICATED | State.SELECTED


def refusal(state: State, allowed: State) -> str | None:
    """Why a command is not allowed now, or None where it is (RFC 9051 section 3)."""
    if state in allowed:
        return None
    if state is State.NOT_AUTHENTICATED:
        return "log in first"
    if not allowed & LOGGED_IN:
        return "already logged in"
    return "select a mailbox first"

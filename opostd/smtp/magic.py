"""Recipients of the demo that play a server which does not take mail: for whoever tests a program that sends.

Pure.  What must stay true: they are answered in the demo only, where every address is one of this machine.
"""

import re

from opostd.smtp.reply import Reply

TIMEOUT = "timeout"
_CODE = re.compile(r"([45])[0-9]{2}\Z", re.ASCII)
_NAMED = {
    "temperror": Reply(451, "4.3.0", "a passing fault, as you asked for"),
    "permerror": Reply(550, "5.7.1", "a lasting refusal, as you asked for"),
}


def magic(local: str) -> Reply | None:
    """What RCPT is answered for a local part such as ``temperror``, ``permerror``, ``450``; None for all others."""
    code = _CODE.match(local)
    if code is not None:
        return Reply(int(local), f"{code[1]}.0.0", "as you asked for")
    return _NAMED.get(local.lower())


def never_answered(local: str) -> bool:
    """Whether RCPT for it waits until the client gives up."""
    return local.lower() == TIMEOUT

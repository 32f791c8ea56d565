"""Authentication-Results: what was found, for whoever reads the message.

Pure.  RFC 8601 2.2, 2.7; RFC 6008 (header.b); RFC 8616 (IDN in A-labels).  What must stay true: a value that a sender
chose stands here only where it cannot be read as anything else; all other text is ours.
"""

import re
from collections.abc import Sequence

from opostd.checks.arc import Arc
from opostd.checks.dkim import Dkim
from opostd.checks.dmarc import Dmarc, ascii_domain
from opostd.checks.spf import Spf
from opostd.intake.message import Field, field

_MAILBOX = re.compile(r"[A-Za-z0-9!#$%&'*+/?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,253}\Z")  # no "=", which a pvalue lacks


def spf_words(result: Spf, mail_from: str, helo: str) -> str:
    if mail_from:
        whole = mail_from if _MAILBOX.match(mail_from) else ascii_domain(mail_from.rpartition("@")[2].encode())
        who = f" smtp.mailfrom={whole}" if whole else ""
    else:
        name = ascii_domain(helo.encode())
        who = f" smtp.helo={name}" if name else ""
    return f"spf={result.value}{who}"


def dkim_words(found: Dkim) -> str:
    words = [f"dkim={found.result}"]
    if found.reason:
        words.append(f'reason="{found.reason}"')
    for name, value in (("d", found.domain), ("s", found.selector), ("a", _token(found.algorithm))):
        if value.isascii() and value:
            words.append(f"header.{name}={value}")
    if found.mark:
        words.append(f'header.b="{found.mark}"')
    return " ".join(words)


def dmarc_words(found: Dmarc) -> str:
    policy = f" (p={found.policy})" if found.policy else ""
    return f"dmarc={found.result}{policy}" + (f" header.from={found.domain}" if found.domain else "")


def arc_words(found: Arc) -> str:
    reason = f' reason="{found.reason}"' if found.reason else ""
    return f"arc={found.result}{reason}" + (f" (i={len(found.sets)})" if found.sets else "")


def _token(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9-]{1,30}", text) else ""


def results(hostname: str, words: Sequence[str]) -> Field:
    """The field.  words: of each method, in order."""
    return field("Authentication-Results", ";\r\n\t".join([hostname, *(words or ["none"])]).encode("ascii", "replace"))

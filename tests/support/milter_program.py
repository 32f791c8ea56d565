"""A milter as others write them, on libmilter (Debian's python3-milter): does what the Subject of a message asks for.

Run by the system's Python, for libmilter is bound to it: ``milter_program.py unix:/path``.
"""

import sys

import Milter


class Program(Milter.Base):
    def __init__(self):
        self.wish = ""
        self.seen = []

    def connect(self, name, family, address):
        self.seen.append(f"connect={name} {address[0] if address else '-'}")
        return Milter.CONTINUE

    def hello(self, name):
        self.seen.append(f"helo={name}")
        return Milter.CONTINUE

    def envfrom(self, sender, *words):
        self.seen.append(f"from={sender} i={bool(self.getsymval('i'))} auth={self.getsymval('{auth_authen}')}")
        return Milter.CONTINUE

    def envrcpt(self, recipient, *words):
        self.seen.append(f"to={recipient}")
        if recipient.startswith("<bob+bad"):
            self.setreply("550", "5.1.1", "not that one")
            return Milter.REJECT
        return Milter.CONTINUE

    def header(self, name, value):
        if name.lower() == "subject":
            self.wish = value.strip()
        self.seen.append(f"{name}:{value}".replace("\n", "|"))
        return Milter.CONTINUE

    def eoh(self):
        if self.wish == "early accept":
            return Milter.ACCEPT
        return Milter.CONTINUE

    def body(self, chunk):
        self.seen.append(f"body={len(chunk)}")
        if self.wish == "early reject":
            return Milter.REJECT
        return Milter.CONTINUE

    def eom(self):
        match self.wish:
            case "reject":
                return Milter.REJECT
            case "reply":
                # libmilter wants the sign twice.
                self.setreply("554", "5.7.0", "100%% spam, says (this) program")
                return Milter.REJECT
            case "tempfail":
                return Milter.TEMPFAIL
            case "discard":
                return Milter.DISCARD
            case "quarantine":
                self.quarantine("looks bad")
            case "headers":
                self.addheader("X-Last", "one\n\ttwo")
                self.addheader("X-First", "top", 0)
                self.chgheader("X-Twice", 2, "changed")
                self.chgheader("X-Gone", 1, "")
                self.chgheader("Subject", 1, "[spam] headers")
            case "body":
                self.replacebody("new body\r\n")
                self.replacebody(".\r\nof two parts\r\n")
            case "slow":
                for _ in range(3):
                    self.progress()
            case "seen":
                for text in self.seen:
                    self.addheader("X-Seen", text)
        return Milter.CONTINUE


Milter.factory = Program
Milter.set_flags(Milter.CHGBODY + Milter.CHGHDRS + Milter.ADDHDRS + Milter.QUARANTINE)
Milter.runmilter("opostd-test", sys.argv[1].removeprefix("unix:"), 60)

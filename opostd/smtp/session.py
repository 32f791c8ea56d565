"""What holds in a session now: the envelope so far, who has logged in, and what that allows."""

from typing import TYPE_CHECKING

from opostd.intake.route import NOTHING, Known
from opostd.model.records import Account
from opostd.smtp import extensions, proxy, transaction
from opostd.smtp.chunking import Chunks
from opostd.smtp.connection import Connection
from opostd.smtp.extensions import Offer
from opostd.smtp.reply import Reply

if TYPE_CHECKING:
    from opostd.smtp.door import SmtpDoor


class Session(Connection):
    """The state that the commands share."""

    def __init__(self, door: "SmtpDoor", source: proxy.Source | None = None) -> None:
        super().__init__(door, source)
        self.state = transaction.Envelope()
        self.account: Account | None = None
        self._failed_logins = 0
        self._chunks: Chunks | None = None  # BDATs so far
        self._known: Known = NOTHING  # of recipients,
        self._ahead = 0  # and of how many RCPTs from this one on

    def _connected(self) -> None:
        self._learn()

    def _ended(self) -> None:
        self._drop_chunks()

    def _learn(self) -> None:
        """Work out what may be offered now: after connecting, TLS and login."""
        plain_login = self.door.plaintext_on_loopback and self._loopback
        login = self._policy.login and self.door.auth is not None and (self.secure or plain_login)
        octets, recipients = self.door.limits.max_message_octets, self.door.limits.max_recipients
        scram = self.door.auth is not None and self.door.auth.offers_scram
        bearer = self.door.auth is not None and self.door.auth.tokens is not None
        offer = Offer(
            self.door.kind, self.secure, self.door.tls is not None, login, octets, recipients, scram, bearer,
            self.door.hooks.now(),
        )  # fmt: skip
        self._keywords = extensions.keywords(offer)
        self._mail_names, self._rcpt_names = extensions.parameters(offer)
        self._may_login = login
        self._rules = transaction.Rules(
            lhlo=self._policy.lhlo,
            needs_tls=not login and not self.secure,
            needs_login=self._policy.login and self.account is None,
            max_message_octets=octets,
            max_recipients=recipients,
        )

    def _apply(self, event: transaction.Event) -> Reply:
        self.state, reply = transaction.apply(self.state, event)
        if self._chunks is not None and not self.state.chunked:
            self._drop_chunks()
        return reply

    def _drop_chunks(self) -> None:
        if self._chunks is not None:
            self._chunks.drop()
            self._chunks = None

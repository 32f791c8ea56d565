"""STARTTLS (RFC 3207): what was said in the clear is forgotten, and what stands behind the command is never heard."""

import asyncio
from typing import cast

from opostd.smtp import reply as say
from opostd.smtp import transaction
from opostd.smtp.connection import Cut, log
from opostd.smtp.session import Session


class TlsCommands(Session):
    """TLS on a connection that began without."""

    async def smtp_STARTTLS(self, arg: str | None) -> None:
        if arg:
            return await self._answer(say.NO_ARGUMENTS_ALLOWED)
        if self.secure:
            return await self._answer(say.TLS_ALREADY)
        if self.door.tls is None:
            return await self._answer(say.NOT_IMPLEMENTED)
        if self._reader._buffer:  # type: ignore[attr-defined]
            # Said in the clear by whoever sits between, to be heard as if under TLS (CVE-2011-0411).
            log.warning("cut peer=%s reason=octets-behind-starttls", self.peer)
            raise Cut(say.OCTETS_BEHIND_STARTTLS)
        self._say(self._apply(transaction.Secured()))
        self._flush()
        self._timer.pause()
        self.secure = True
        # What else comes in the clear from here on is read as TLS, and fails the handshake.
        plain = cast(asyncio.Transport, self.transport)
        try:
            transport = await self.loop.start_tls(
                plain, self, self.door.tls, server_side=True, ssl_handshake_timeout=self._timing.handshake_s
            )
        except OSError as error:  # ssl.SSLError and the handshake's timeout are such
            log.info("no-tls peer=%s error=%r", self.peer, error)
            raise ConnectionResetError("no TLS") from None
        if transport is None:
            raise ConnectionResetError("connection lost in the TLS handshake")
        self.transport = self._transport = transport
        self._writer._transport = transport  # type: ignore[attr-defined]
        self._reader._transport = transport  # type: ignore[attr-defined]
        self._over_ssl = True
        self._learn()

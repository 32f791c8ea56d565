"""A connection to one of the servers of a destination: the first that takes us, with the TLS that it is owed.

RFC 5321 5.1 (in their order), RFC 7435 (opportunistic TLS), RFC 8689 (REQUIRETLS).
"""

from opostd.worker.connection import Timeouts
from opostd.worker.host import Host, NoService, NoSuchDomain
from opostd.worker.hosts import Hosts
from opostd.worker.session import NO_REQUIRETLS, Session


class Caller:
    """hostname: what we call ourselves."""

    def __init__(self, hosts: Hosts, hostname: str, timeouts: Timeouts) -> None:
        self._hosts = hosts
        self._hostname = hostname
        self._timeouts = timeouts

    async def connect(self, destination: str, care: bool) -> Session:
        """To the first of its servers that takes us.  care: that keeps to REQUIRETLS.  Raises both."""
        careless = ""
        problems: list[NoService] = []
        for host in await self._hosts.servers(destination):
            try:
                session = await self._open(host)
            except NoService as error:
                problems.append(error)
                continue
            if not care or session.keeps_tls:
                return session
            careless = f"{host.name} does not keep to REQUIRETLS"
            await session.quit()
        if careless and not problems:
            raise NoSuchDomain(careless, NO_REQUIRETLS)
        raise NoService("; ".join(map(str, problems)), problems[-1].status, reached=bool(careless))

    async def _open(self, host: Host) -> Session:
        try:
            return await Session.open(host, self._hostname, self._timeouts)
        except NoService as error:
            if host.tls != "may" or not error.reached:
                raise
            return await Session.open(host, self._hostname, self._timeouts, plain=True)  # RFC 7435: better than not

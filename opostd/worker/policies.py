"""The MTA-STS policies of other domains: fetched, kept in files, asked for before a server is connected to.

RFC 8461 3.3 (fetching), 5.1 (what holds while nothing new can be had), 10.2 (what an attacker can do).  What must stay
true: a policy that is kept holds until its end, whatever becomes of the record or the server; a redirect is never
followed; a fetch ends; what is published is bounded.
"""

import asyncio
import hashlib
import json
import logging
import os
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from opostd.checks.dns import NoSuchName, NotKnown, Resolver
from opostd.worker.reach import is_public
from opostd.worker.sts import MAX_OCTETS, BadPolicy, Policy, parse_policy, record_id

log = logging.getLogger("opostd.agent")

FETCH_S = 30.0  # RFC 8461 3.3 suggests a minute, and mail waits for it
FAILED_S = 300  # a policy that could not be had is left alone for so long (RFC 8461 3.3)
REFRESH_S = 86400  # RFC 8461 10.2: what is kept is renewed before its end, where its server can be reached
MAX_FAILED = 10_000
MAX_FILES = 50_000  # each a few hundred octets
ADDRESSES = 3  # of the policy's server that are tried


@dataclass(frozen=True, slots=True)
class Kept:
    """A policy with the id of its record, and when it was fetched."""

    id: str
    fetched: int
    policy: Policy

    def holds(self, now: int) -> bool:
        return now < self.fetched + self.policy.max_age_s


class Policies:
    """folder: where they are kept.  ca_file: what vouches for their servers, empty for what the machine trusts."""

    def __init__(
        self,
        resolver: Resolver,
        folder: Path,
        *,
        now: Callable[[], int],
        ca_file: str = "",
        private_addresses: bool = False,
        port: int = 443,
    ) -> None:
        self._resolver = resolver
        self._folder = folder
        self._now = now
        self._ca_file = ca_file
        self._private_addresses = private_addresses
        self._port = port
        self._failed: dict[tuple[str, str], int] = {}  # domain and id, and until when it is left alone
        self._context: ssl.SSLContext | None = None

    async def of(self, domain: str) -> Policy | None:
        """What a domain says of its servers now; None where it says nothing.  domain: in A-labels."""
        kept = await asyncio.to_thread(self._read, domain)
        now = self._now()
        if kept is not None and not kept.holds(now):
            kept = None
        id_ = await self._id(domain)
        if id_ is None or (kept is not None and kept.id == id_ and now < kept.fetched + REFRESH_S):
            return None if kept is None else kept.policy
        if self._failed.get((domain, id_), 0) > now:
            return None if kept is None else kept.policy
        try:
            async with asyncio.timeout(FETCH_S):
                policy = parse_policy(await self._fetch(domain))
        except (BadPolicy, NoSuchName, NotKnown, OSError, TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
            log.warning("no MTA-STS policy domain=%s error=%r", domain, str(error) or type(error).__name__)
            if len(self._failed) >= MAX_FAILED:
                self._failed.clear()
            self._failed[domain, id_] = now + FAILED_S
            return None if kept is None else kept.policy
        await asyncio.to_thread(self._write, domain, Kept(id_, now, policy))
        return policy

    async def _id(self, domain: str) -> str | None:
        try:
            found = await self._resolver.find(f"_mta-sts.{domain}", "TXT")
        except (NoSuchName, NotKnown):
            return None
        return record_id([b"".join(each.strings).decode("ascii", "replace") for each in found.records])

    async def _fetch(self, domain: str) -> bytes:
        host = f"mta-sts.{domain}"
        addresses = []
        for kind in ("A", "AAAA"):
            addresses += [each.address for each in (await self._resolver.find(host, kind)).records]
        reachable = [each for each in addresses if self._private_addresses or is_public(each)]
        if not reachable:
            raise BadPolicy(f"{host} has no address that we connect to")
        if self._context is None:
            self._context = await asyncio.to_thread(ssl.create_default_context, cafile=self._ca_file or None)
        last: Exception = BadPolicy("no address")
        for address in reachable[:ADDRESSES]:
            try:
                return await self._get(address, host)
            except (httpx.TransportError, OSError) as error:
                last = error
        raise last

    async def _get(self, address: str, host: str) -> bytes:
        place = f"[{address}]" if ":" in address else address
        # Its name goes into SNI, so that it is the name that the certificate must have.
        verify = self._context or True
        async with (
            httpx.AsyncClient(verify=verify, follow_redirects=False, trust_env=False, timeout=10) as client,
            client.stream(
                "GET",
                f"https://{place}:{self._port}/.well-known/mta-sts.txt",
                headers={"Host": host, "Accept": "text/plain", "Accept-Encoding": "identity"},
                extensions={"sni_hostname": host},
            ) as response,
        ):  # fmt: skip
            if response.status_code != 200:  # RFC 8461 3.3: redirects are not followed
                raise BadPolicy(f"{host} answered {response.status_code}")
            if response.headers.get("content-type", "").partition(";")[0].strip().lower() != "text/plain":
                raise BadPolicy(f"{host} sent no text/plain")
            octets = b""
            async for chunk in response.aiter_raw():
                octets += chunk
                if len(octets) > MAX_OCTETS:
                    raise BadPolicy(f"{host} sent more than {MAX_OCTETS} octets")
            return octets

    # -- files: one for each domain, replaced as a whole ---------------------------------------------------------

    def _path(self, domain: str) -> Path:
        return self._folder / hashlib.sha256(domain.encode()).hexdigest()[:40]

    def _read(self, domain: str) -> Kept | None:
        try:
            found = json.loads(self._path(domain).read_text())
            if found["domain"] != domain:
                return None
            policy = Policy(found["mode"], tuple(found["mx"]), int(found["max_age_s"]))
            return Kept(str(found["id"]), int(found["fetched"]), policy)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("a kept MTA-STS policy cannot be read domain=%s error=%r", domain, error)
            return None

    def _write(self, domain: str, kept: Kept) -> None:
        policy = kept.policy
        text = json.dumps(
            {"domain": domain, "id": kept.id, "fetched": kept.fetched,
             "mode": policy.mode, "mx": policy.mx, "max_age_s": policy.max_age_s}
        )  # fmt: skip
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._make_room()
            descriptor, name = tempfile.mkstemp(dir=self._folder, prefix=".")
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
            Path(name).replace(self._path(domain))
        except OSError as error:  # it holds for this connection all the same
            log.warning("an MTA-STS policy cannot be kept domain=%s error=%r", domain, error)

    def _make_room(self) -> None:
        """The oldest tenth goes where there are too many."""
        with os.scandir(self._folder) as entries:
            files = [(entry.stat().st_mtime, entry.path) for entry in entries]
        if len(files) >= MAX_FILES:
            for _, path in sorted(files)[: MAX_FILES // 10]:
                Path(path).unlink(missing_ok=True)

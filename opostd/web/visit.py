"""One request of a browser, as a page's handler sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from opostd.http.caller import Caller
from opostd.http.front import Client
from opostd.http.services import Services
from opostd.web.sessions import Session


@dataclass(frozen=True, slots=True)
class Visit:
    """names: parts of the path; query, form: the last value of each field; where: path and query.

    session: None on pages for everybody.
    """

    services: Services
    client: Client
    session: Session | None
    where: str
    names: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def me(self) -> Caller:
        assert self.session is not None
        return Caller(self.services, self.session.account, self.client)

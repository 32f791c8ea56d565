"""The HTTP door put together: API and pages behind one front.  Imported only where it is wanted, for it takes 20 MB."""

from ipaddress import ip_network

from opostd.api import problem
from opostd.api.caller import PREFIX
from opostd.api.server import Api
from opostd.http.door import HttpDoor
from opostd.http.front import App, Front, Receive, Scope, Send
from opostd.http.services import Services
from opostd.http.timing import Timing
from opostd.web.server import Web


def http_door(services: Services, timing: Timing | None = None) -> HttpDoor:
    """Ready for connections."""
    api, web = Api(services), Web(services)

    def choose(path: str) -> App:
        return api if path == PREFIX or path.startswith(f"{PREFIX}/") else web

    proxies = [ip_network(each) for each in services.settings.http.proxy_from]
    return HttpDoor(Front(choose, proxies, _fault, _refuse), timing, proxies)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    status, why = scope["refused"]
    await problem.problem(status, "bad-request", why, fields=[("Connection", "close")])(scope, receive, send)


async def _fault(scope: Scope, receive: Receive, send: Send) -> None:
    await problem.incident(scope["incident"])(scope, receive, send)

"""How long a client of the HTTP door may take (RFC 9112 9.5), and how many there may be."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds.

    head_s: from one answer, or the connection, to the end of the next request's header; keep_alive_s: of these with
    nothing said; body_window_s: in which ``body_octets`` of a body come at least; write_s: in which a client that does
    not read takes some of an answer; shutdown_s: for requests under way when the server stops.
    """

    head_s: float = 60.0
    keep_alive_s: float = 30.0
    body_window_s: float = 20.0
    body_octets: int = 16 * 1024  # less than 1 KiB a second is nobody who waits for an answer
    write_s: float = 60.0
    shutdown_s: float = 3.0


MAX_CONNECTIONS = 2000  # each holds a descriptor and, with TLS, some 50 KB
MAX_OF_ONE_PEER = 100  # an office behind one address, with some connections for each browser
MAX_HEADER_OCTETS = 32 * 1024  # a token of 8 KiB and the cookies of a whole domain

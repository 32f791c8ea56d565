"""Raw octets of a message -> structure, as offsets and ready octets.  Pure: no I/O, no clock, no chance.

Everything here is computed once, when a message is accepted, and holds for any octets whatever: nothing raises on
what a peer wrote, and the time is linear in the size (limits and their reasons stand beside them).
"""

"""Many clients on one box over real sockets, and a model of what each of them must believe (as ImapTest does it).

``python -m tests.imap.stress --minutes 5 --clients 10`` runs it for longer; ``--fault NAME`` plants a fault into the
server, which must be found.
"""

"""Octets to commands: framing, a cursor over one command, character classes, mailbox name encoding.  Pure."""

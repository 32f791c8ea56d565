"""The IMAP door (RFC 9051, RFC 3501): a pure protocol core, carried by Twisted."""

"""opostd: an IMAP and SMTP server for organisations that write to one person, to a group, or to everyone."""

__version__ = "0.1.0"

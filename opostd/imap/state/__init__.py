"""What one connection, and one box, is at a moment.  Pure: no store, no clock, no Twisted."""

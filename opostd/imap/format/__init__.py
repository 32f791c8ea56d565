"""Values to octets: responses as a client reads them.  Pure; ``any.format_response`` is the door."""

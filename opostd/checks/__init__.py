"""Who mail that arrives is really from (SPF, DKIM, ARC, DMARC), our own signature on it when it leaves, and filters."""

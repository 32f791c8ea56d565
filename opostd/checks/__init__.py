"""Who mail that arrives is really from (SPF, DKIM, ARC, DMARC), and our own signature on what leaves."""

"""HTTP: connections, whose request it is, bodies, errors.  What is asked for is the business of ``api`` and ``web``."""

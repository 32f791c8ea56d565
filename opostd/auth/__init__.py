"""Who is there: SASL exchanges, passwords, and a brake on guessing.  Knows the store; no door."""

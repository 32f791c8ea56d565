"""The nouns of opostd: frozen records, identifiers, flags, errors.  This room imports nothing of the others."""

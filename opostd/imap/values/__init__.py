"""What commands and responses say, as frozen values in the words of RFC 9051.  Knows nobody."""

"""The API: the nouns under /postapi/, for whoever has logged in."""

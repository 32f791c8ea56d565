"""Pages for reading: groups, moderation, reach and mail in a browser, without script."""

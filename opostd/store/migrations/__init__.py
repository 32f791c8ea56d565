"""Numbered steps of the schema, in ``versions``: each a module with ``upgrade(group)``; see ``store.migrate``."""

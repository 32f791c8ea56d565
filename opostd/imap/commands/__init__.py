"""The handlers: one file a topic, named as its parser.  ``table`` says which commands there are."""

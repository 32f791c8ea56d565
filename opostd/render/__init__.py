"""Markdown is written, HTML is read: from source to one whole HTML document, once per post, at acceptance.

``pool`` is what others call: it lets a worker process of its own do the work, and kills it when it takes too long.
The way in the worker is markdown -> style -> sanitize -> message; all of it is pure, and nothing edits the HTML after
the sanitizer.  The daemon's process imports ``pool`` and ``message`` only, which need none of the libraries.
"""

"""An archive: messages at the end of a file, in the mbox format of RFC 4155, with lines that begin as ``From `` quoted.

The quoting is mboxrd's, which can be undone: one ``>`` more before every line of ``>``s and ``From ``.
"""

import os
import re
import time
from pathlib import Path

from opostd.model.ids import PostId, accepted_at

_FROM = re.compile(rb"^(>*From )", re.MULTILINE)


def append(folder: Path, post: PostId, raw: bytes) -> None:
    """A message at the end of the file of the month it came; it is on the disk then.  Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    came = time.gmtime(accepted_at(post))
    path = folder / time.strftime("%Y-%m.mbox", came)
    body = _FROM.sub(rb">\1", raw.replace(b"\r\n", b"\n"))
    head = f"From opostd@{post.hex()} {time.asctime(came)}\n".encode("ascii")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(head + body + (b"\n" if body.endswith(b"\n") else b"\n\n"))
            file.flush()
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""SORT and THREAD responses (RFC 5256 4, 5: sort-data, thread-data)."""

from opostd.imap.values.responses import SortData, ThreadData
from opostd.imap.values.sort import Tree


def format_sort(sort: SortData) -> bytes:
    modseq = [] if sort.modseq is None else [b" (MODSEQ %d)" % sort.modseq]  # RFC 7162 3.1.6
    return b"".join([b"* SORT", *(b" %d" % number for number in sort.numbers), *modseq, b"\r\n"])


def format_thread(data: ThreadData) -> bytes:
    out: list[bytes] = [b"* THREAD "] if data.threads else [b"* THREAD"]
    for thread in data.threads:
        _write(thread, out)
    out.append(b"\r\n")
    return b"".join(out)


def _write(thread: Tree, out: list[bytes]) -> None:
    """``(1 2 (3)(4 5))``; without recursion, for a thread may be as deep as the box has messages."""
    todo: list[Tree | bytes] = [thread]
    while todo:
        tree = todo.pop()
        if isinstance(tree, bytes):
            out.append(tree)
            continue
        out.append(b"(")
        todo.append(b")")
        line: list[bytes] = []
        while True:
            if tree.number is not None:
                line.append(b"%d" % tree.number)
            if len(tree.replies) != 1:
                break
            tree = tree.replies[0]
        out.append(b" ".join(line))
        if tree.replies:
            if line:
                out.append(b" ")
            todo += reversed(tree.replies)

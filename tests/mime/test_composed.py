"""Trees of parts, written out as mail and scanned again: every part is found where it was put."""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from opostd.mime.scan import Kind, Tree, scan
from opostd.mime.section import SectionName, span


@dataclass(frozen=True)
class Leaf:
    body: bytes


@dataclass(frozen=True)
class Message:
    inner: "Node"


@dataclass(frozen=True)
class Multipart:
    parts: tuple["Node", ...]
    preamble: bytes
    epilogue: bytes
    closed: bool


Node = Leaf | Message | Multipart

LINES = st.lists(st.sampled_from((b"text", b"", b"--", b"--b", b"-- x", b" --b0", b"--b0x", b"Subject: x")), max_size=4)
BODIES = LINES.map(b"\r\n".join)
NODES = st.recursive(
    BODIES.map(Leaf),
    lambda inner: st.one_of(
        inner.map(Message),
        st.builds(Multipart, st.lists(inner, min_size=1, max_size=4).map(tuple), BODIES, BODIES, st.booleans()),
    ),
    max_leaves=12,
)


class Writer:
    """Writes a node as octets, and remembers what each section must be."""

    def __init__(self) -> None:
        self.boundaries = 0
        self.sections: dict[tuple[int, ...], bytes] = {}

    def write(self, node: Node, path: tuple[int, ...], *, message: bool) -> bytes:
        """Header and body.  path: of the node itself; where it is a message's whole content, of that message."""
        match node:
            case Leaf(body):
                header = b"Content-Type: image/x\r\n\r\n"
                if message:
                    self.sections[(*path, 1)] = body
            case Message(inner):
                header = b"Content-Type: message/rfc822\r\n\r\n"
                own = (*path, 1) if message else path
                body = self.write(inner, own, message=True)
                if message:
                    self.sections[own] = body
            case Multipart(parts, preamble, epilogue, closed):
                boundary = b"b%d" % self.boundaries
                self.boundaries += 1
                header = b"Content-Type: multipart/mixed; boundary=" + boundary + b"\r\n\r\n"
                body = preamble + b"\r\n"
                for number, part in enumerate(parts, 1):
                    octets = self.write(part, (*path, number), message=False)
                    body += b"--" + boundary + b"\r\n" + octets + b"\r\n"
                if closed or not path:
                    body += b"--" + boundary + b"--\r\n" + epilogue
                else:
                    body = body[:-2]  # the outer delimiter ends it, with the line end before it
        if not message:
            self.sections[path] = body
        return header + body


def shape(node: Node) -> list[Kind]:
    match node:
        case Leaf():
            return [Kind.LEAF]
        case Message(inner):
            return [Kind.MESSAGE, *shape(inner)]
        case Multipart(parts):
            return [Kind.MULTIPART, *(kind for part in parts for kind in shape(part))]


@settings(max_examples=300)
@given(NODES)
def test_every_part_is_found(node: Node) -> None:
    writer = Writer()
    raw = writer.write(node, (), message=True)
    tree: Tree = scan(raw)
    assert [part.kind for part in tree.parts] == shape(node)
    assert writer.sections
    for path, body in writer.sections.items():
        where = span(len(raw), tree, path, SectionName.WHOLE)
        assert where is not None
        assert raw[slice(*where)] == body

"""A message, octet by octet, as somebody takes it away."""

from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse

from opostd.http.services import Services
from opostd.model.ids import PostId, post_id_text
from opostd.store import posts

CHUNK = 256 * 1024  # octets of a message read from the store at once


async def raw_of(services: Services, post: PostId) -> Response:
    """The octets as they are kept, a piece at a time."""
    size = (await services.store.run(posts.facts, [post]))[post].size

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, size, CHUNK):
            yield await services.store.run(posts.raw_slice, post, start, CHUNK)

    headers = {"Content-Length": str(size), "Content-Disposition": f'attachment; filename="{post_id_text(post)}.eml"'}
    return StreamingResponse(pieces(), media_type="message/rfc822", headers=headers)

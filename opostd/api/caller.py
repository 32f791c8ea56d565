"""What handlers of the API take: who asks, and names in paths and queries."""

from typing import Annotated

from fastapi import Depends, Path, Query
from starlette.requests import Request

from opostd.http.caller import Caller

PREFIX = "/postapi"


async def _caller(request: Request) -> Caller:
    caller: Caller = request.scope["opostd.caller"]
    return caller


Me = Annotated[Caller, Depends(_caller)]
PostName = Annotated[str, Path(alias="id", description="An id of a post: 32 hexadecimal digits.")]
BoxName = Annotated[str, Query(alias="box", max_length=1000, description="Only in this mailbox.")]

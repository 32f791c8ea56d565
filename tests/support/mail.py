"""Posts on their way, for the tests of whatever keeps them."""

from opostd.model.mailing import Mailing, Origin, Place, Recipient, Wish
from opostd.model.records import NewPost

WISH = Wish("somebody@opost.example")


def mailing(post: NewPost, *places: Place, sender: str = "x@other.example", wish: Wish = WISH) -> Mailing:
    """A post for places that were named by one address."""
    return Mailing(post, (Recipient(wish, places),), Origin(sender))


def to(*places: Place) -> list[Recipient]:
    """Recipients of a submission, each of whom leads to one place."""
    return [Recipient(WISH, (place,)) for place in places]

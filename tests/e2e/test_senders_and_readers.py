"""20 senders to one group at once, 20 readers selecting at random moments: every post, once, in source order."""

import random
import threading

from tests.e2e.conftest import Site
from tests.e2e.mailbox import imap, subjects, submission, text_mail, uids

SENDERS, READERS, POSTS = 20, 20, 5


def test_every_reader_has_every_post_once_in_source_order(site: Site) -> None:
    readers = [f"r{number:02d}" for number in range(READERS)]
    for name in readers:
        site.add_user(name)
    site.cli("group", "add", "all", "--members", ",".join([*readers, "anna"]), "--post", "members")
    done = threading.Event()
    failures: list[BaseException] = []

    def guarded(work: object, *arguments: object) -> None:
        try:
            work(*arguments)  # type: ignore[operator]
        except BaseException as error:
            failures.append(error)

    def send(number: int) -> None:
        with submission(site, "anna") as client:
            for post in range(POSTS):
                client.send_message(text_mail("anna", "all", f"s{number:02d}-{post}", "text"))

    def read(name: str) -> None:
        chance = random.Random(name)
        seen: list[int] = []
        with imap(site, name) as client:
            while not done.wait(chance.random() * 0.2):
                client.select("INBOX", readonly=bool(chance.getrandbits(1)))
                now = uids(client)
                assert now[: len(seen)] == seen, "a UID appeared below one that was seen"
                seen = now

    senders = [threading.Thread(target=guarded, args=(send, number)) for number in range(SENDERS)]
    watching = [threading.Thread(target=guarded, args=(read, name)) for name in readers]
    for thread in [*watching, *senders]:
        thread.start()
    for thread in senders:
        thread.join(120)
    done.set()
    for thread in watching:
        thread.join(60)
    assert not failures, failures[:3]

    boxes = []
    for name in readers:
        with imap(site, name) as client:
            boxes.append(subjects(client))
            assert uids(client) == list(range(1, SENDERS * POSTS + 1))
    assert sorted(boxes[0]) == sorted(f"s{number:02d}-{post}" for number in range(SENDERS) for post in range(POSTS))
    assert all(box == boxes[0] for box in boxes)  # the source's own order is one order

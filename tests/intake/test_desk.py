"""What a letter to the server asks for: a table of subjects and texts."""

import pytest

from opostd.intake.desk import verb_of

TOKEN = "abcdefghijklmnopqrstuvwxyz"
ID = "0193f6a27c1e7d05a8d1c06d5a3b9e42"


@pytest.mark.parametrize(
    ("subject", "preview", "verb"),
    [
        ("", "", ""),
        ("help", "", "help"),
        ("Subscribe", "", "join"),
        ("UNSUBSCRIBE.", "thank you", "leave"),
        ("Re: join", "", "join"),
        (f"accept {TOKEN}", "", "accept"),
        (f"Reject {TOKEN.upper()}", "accept", "discard"),
        (f"Re: [{TOKEN}] Held for team@opost.example: join", "Accept, please. > discard", "accept"),
        (f"Re: [{TOKEN}] Please confirm", "confirm", "confirm"),
        (f"recall {ID}", "", "recall"),
        (f"AW: Recall: {ID}", "", "recall"),
        ("", "recall", "recall"),
        ("x", " Leave! ", "leave"),
        # A letter to people, that went astray: nothing is done
        ("Leave policy", "", ""),
        ("hello", "leave me alone", ""),
        ("Re: lunch", "accept my apologies", ""),
        ("Help wanted", "join us", ""),
        ("confirmation", "", ""),
        ("accept what?", "", "accept"),  # and is told that there is nothing to decide
        (f"Re: [{TOKEN}] Held", "I do not accept this", ""),
        (f"Re: [{TOKEN}] Held", "join", "join"),
        ("\u212a", "\u017f", ""),
    ],
)  # fmt: skip
def test_verb_of(subject: str, preview: str, verb: str) -> None:
    assert verb_of(subject, preview) == verb

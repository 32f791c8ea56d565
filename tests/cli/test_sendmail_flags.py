"""The flags of sendmail, as cron, mail(1), git and PHP give them."""

import pytest

from opostd.cli.sendmail_flags import BadFlags, Flags, read_flags

GOOD = [
    ("-FCronDaemon -i -B8BITMIME -oem root", Flags(name="CronDaemon", dot_ends=False, recipients=["root"])),
    ("-t -i", Flags(from_header=True, dot_ends=False)),
    ("-ti -fanna@x.example", Flags(sender="anna@x.example", from_header=True, dot_ends=False)),
    ("-oi -f anna -- -odd bob", Flags(sender="anna", dot_ends=False, recipients=["-odd", "bob"])),
    ("-bm -r anna bob cara", Flags(sender="anna", recipients=["bob", "cara"])),
    ("-N success,delay -R hdrs -V id bob", Flags(notify="SUCCESS,DELAY", ret="HDRS", envid="id", recipients=["bob"])),
    ("-odi -oem -om -L tag -X /dev/null -v bob", Flags(recipients=["bob"])),
    ("bob - cara", Flags(recipients=["bob", "-", "cara"])),
]


@pytest.mark.parametrize(("line", "wanted"), GOOD)
def test_flags(line: str, wanted: Flags) -> None:
    assert read_flags(line.split()) == wanted


BAD = [("-f", "-f needs a value"), ("-bs", "-bs is not"), ("-bp", "-bp is not"), ("-q", "-q is not"), ("-q30m", "-q30m"), ("-Z x", "-Z is not known"), ("-R some x", "full or hdrs")]  # fmt: skip


@pytest.mark.parametrize(("line", "said"), BAD)
def test_bad_flags(line: str, said: str) -> None:
    with pytest.raises(BadFlags, match=said):
        read_flags(line.split())

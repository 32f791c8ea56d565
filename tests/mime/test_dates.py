"""The Date field, tolerant (RFC 5322 3.3, 4.3)."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.mime.dates import sent

DAY = 9694  # 17 July 1996
MOMENT = 837_595_405  # 02:23:25 -0700 of it


@pytest.mark.parametrize(
    ("value", "seconds", "day"),
    [
        (b"Wed, 17 Jul 1996 02:23:25 -0700", MOMENT, DAY),
        (b"17 Jul 1996 02:23:25 -0700", MOMENT, DAY),
        (b"Wed,17 Jul 96 02:23:25 -0700 (PDT)", MOMENT, DAY),
        (b"WED, 17 JUL 1996 02:23:25 PDT", MOMENT, DAY),
        (b"Wednesday, 17-Jul-96 02:23:25 -0700", MOMENT, DAY),
        (b"Wed, 17 July 1996 02:23:25 -0700", MOMENT, DAY),
        (b"Wed, 17 Jul 1996 02:23:25", MOMENT - 7 * 3600, DAY),
        (b"Wed, 17 Jul 1996 02:23:25 XYZ", MOMENT - 7 * 3600, DAY),
        (b"Wed, 17 Jul 1996 02:23:25 -0000", MOMENT - 7 * 3600, DAY),
        (b"Wed, 17 Jul 1996 02:23 +0000", MOMENT - 7 * 3600 - 25, DAY),
        (b"Wed, 17 Jul 1996", DAY * 86400, DAY),
        (b"Wed Jul 17 02:23:25 1996", MOMENT - 7 * 3600, DAY),
        (b"Wed Jul 17 02:23:25 PDT 1996", MOMENT, DAY),
        (b"1996-07-17T02:23:25-07:00", MOMENT, DAY),
        (b"1996-07-17 02:23:25Z", MOMENT - 7 * 3600, DAY),
        (b"1996-07-17", DAY * 86400, DAY),
        (b"  17 Jul 1996 23:59:60 +0000", DAY * 86400 + 86399, DAY),  # a leap second
        (b"17 Jul 1996 02.23.25 -0700", MOMENT, DAY),
        (b"17 Jul 1996 30:00:00 +0000", DAY * 86400, DAY),  # an hour that is none: midnight
        (b"Thu, 01 Jan 1970 00:00:00 +0000", 0, 0),
        (b"31 Dec 1969 23:59:59 +0000", -1, -1),
        (b"1 Jan 49 00:00:00 GMT", 2493072000, 28855),
        (b"1 Jan 50 00:00:00 GMT", -631152000, -7305),
        (b"1 Jan 124 00:00:00 GMT", 1704067200, 19723),
        (b"Thu, 1 Feb 2024 00:30:00 +0100", 1706743800, 19754),  # the day as written, not the day in UTC
    ],
)
def test_dates(value: bytes, seconds: int, day: int) -> None:
    assert sent(value) == (seconds, day)


@pytest.mark.parametrize(
    "value",
    [b"", b"yesterday", b"30 Feb 2020 00:00:00 +0000", b"17 Xyz 1996", b"0 Jan 2020", b"1 Jan 0000", b"\xff\x00"],
)
def test_no_date(value: bytes) -> None:
    assert sent(value) is None


@given(
    st.datetimes(min_value=datetime(1950, 1, 1), max_value=datetime(9998, 1, 1)),  # noqa: DTZ001
    st.integers(-12 * 60, 14 * 60),
)
def test_what_is_written_is_read(moment: datetime, minutes: int) -> None:
    aware = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))
    found = sent(format_datetime(aware).encode())
    assert found is not None
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=found.seconds) == aware
    assert found.day == (aware.date() - datetime(1970, 1, 1, tzinfo=UTC).date()).days


@given(st.binary(max_size=300))
def test_any_octets(value: bytes) -> None:
    sent(value)

"""What Prometheus is told, by a real daemon over each database."""

import base64
import re
import smtplib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from opostd.config import StoreSettings
from opostd.model.counts import BOUNDS_S, Times
from opostd.store import migrate
from tests.e2e.conftest import DOMAIN, Site
from tests.e2e.faults import site_over, until
from tests.e2e.mailbox import imap, submission, text_mail
from tests.support import postgres

METRICS = """
[metrics]
listen = ["127.0.0.1:{metrics}"]
"""
DOC = Path(__file__).parents[2] / "docs" / "metrics.md"

Told = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def site(store_settings: StoreSettings, tmp_path: Path) -> Iterator[Site]:
    with site_over(store_settings, tmp_path, tables=METRICS) as site:
        yield site
        assert site.daemon.stop() == 0, site.daemon.output
        assert "incident" not in site.daemon.output


def ask(site: Site) -> tuple[Told, str]:
    answer = httpx.get(f"http://127.0.0.1:{site.daemon.ports['metrics']}/metrics", timeout=30)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    told = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    return told, answer.text


def of(told: Told, name: str, **labels: str) -> float:
    return told[name, tuple(sorted(labels.items()))]


def test_what_is_told(site: Site) -> None:
    with submission(site, "bob") as client:
        client.send_message(text_mail("bob", "anna", "counted", "words\n"))
        with smtplib.SMTP("127.0.0.1", site.daemon.ports["submission"]) as other:
            other.ehlo("here.example")
            assert other.docmd("AUTH", "PLAIN " + base64.b64encode(b"\0anna\0wrong").decode())[0] == 535
        with smtplib.SMTP("127.0.0.1", site.daemon.ports["smtp"]) as other:
            other.ehlo("there.example")
            with pytest.raises(smtplib.SMTPDataError):
                other.sendmail("x@there.example", f"anna@{DOMAIN}", b"Subject: a\0b\r\n\r\nx\r\n")
        with imap(site, "anna") as reader:
            assert reader.select()[1] == [b"1"]
            reader.noop()
            told, text = ask(site)
            assert of(told, "opostd_imap_connections", state="selected") == 1
            assert of(told, "opostd_smtp_connections", door="submission") >= 1
    assert of(told, "opostd_smtp_messages_received_total", door="submission", result="accepted") == 1
    assert of(told, "opostd_smtp_messages_received_total", door="smtp", result="refused") == 1
    assert of(told, "opostd_delivery_seconds_count", door="submission") == 1
    assert of(told, "opostd_imap_command_seconds_count", command="NOOP") == 1
    assert of(told, "opostd_imap_command_seconds_bucket", command="NOOP", le="+Inf") == 1
    assert of(told, "opostd_auth_failures_total", proto="smtp") == 1
    assert of(told, "opostd_store_up") == 1
    assert of(told, "opostd_queue_messages", queue="local", state="waiting") == 0
    assert of(told, "opostd_subscription_lag_posts") == 0
    assert of(told, "process_resident_memory_bytes") > 1e6
    assert DOMAIN not in text
    assert "anna" not in text
    # What is told is what the page says.
    families = {re.sub(r"_(total|bucket|sum|count|created)$", "", name) for name, _ in told}
    written = {re.sub(r"_total$", "", name) for name in re.findall(r"^\| `(opostd_\w+)", DOC.read_text(), re.MULTILINE)}
    assert {name for name in families if name.startswith("opostd_")} == written


def test_only_that(site: Site) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{site.daemon.ports['metrics']}", timeout=30) as client:
        assert client.get("/").status_code == 404
        assert client.get("/postapi/").status_code == 404
        refused = client.post("/metrics", content=b"x")
        assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD")
        assert client.head("/metrics").status_code == 200


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0.0, 0), (0.001, 0), (0.0011, 1), (10.0, len(BOUNDS_S) - 1), (10.1, len(BOUNDS_S))]
)
def test_times(seconds: float, bucket: int) -> None:
    times = Times()
    times.add(seconds)
    times.add(seconds)
    assert [at for at, count in enumerate(times.counts) if count] == [bucket]
    assert (times.counts[bucket], times.total) == (2, 2 * seconds)


def test_a_silent_database(tmp_path: Path) -> None:
    """All else is told, within the ten seconds that Prometheus waits."""
    with postgres.own(fsync=False) as server:
        settings = StoreSettings(url=server.create_database())
        migrate.up(settings)
        with site_over(settings, tmp_path, tables=METRICS) as site:
            with server.silent(), ThreadPoolExecutor(3) as together:
                for told, text in together.map(lambda _: ask(site), range(3)):
                    assert of(told, "opostd_store_up") == 0
                    assert of(told, "opostd_imap_connections", state="selected") == 0
                    assert "opostd_queue" not in text
            # Asked once, or who asks last would wait for all before.
            assert site.daemon.output.count("the store does not say what waits") == 1
            assert until(lambda: of(ask(site)[0], "opostd_store_up") == 1)

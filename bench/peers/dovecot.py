#!/usr/bin/env python3
"""Dovecot (IMAP and LMTP) on loopback, under one directory, as a child process.

    dovecot.py start DIR --format mdbox --users 10000 --port 26000   IMAP at PORT+143, LMTP at PORT+24
                                                                     with --certificate, TLS at PORT+993
    dovecot.py stop DIR

start prints the pid and the ports as JSON. Needs Debian's dovecot-imapd and dovecot-lmtpd, and root.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import common

LOCATIONS = {"mdbox": "mdbox:~/mdbox", "sdbox": "sdbox:~/sdbox", "maildir": "maildir:~/Maildir"}

# Everything not set here is Dovecot's default, mail_fsync = optimized among it. service_count = 0 is
# its documented high-performance mode: login processes are reused instead of one for each login.
CONFIG = """
protocols = imap lmtp
listen = 127.0.0.1
base_dir = {directory}/run
state_dir = {directory}/state
log_path = {directory}/dovecot.log
{tls}
disable_plaintext_auth = no
auth_mechanisms = plain login

mail_home = {directory}/mail/%2.26Hn/%n
mail_location = {location}
mail_uid = {owner}
mail_gid = {owner}
first_valid_uid = {owner}
mail_max_userip_connections = 0
imap_hibernate_timeout = {hibernate}
{extra}
default_client_limit = 20000
default_process_limit = 200

passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {directory}/users
}}
userdb {{
  driver = static
  args = uid={owner} gid={owner}
}}

service imap-login {{
  service_count = 0
  process_min_avail = 2
  process_limit = 4
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service imap {{
  process_limit = 4096
  unix_listener imap-master {{
    user = dovecot
  }}
  extra_groups = dovecot
}}
service imap-hibernate {{
  unix_listener imap-hibernate {{
    mode = 0666
  }}
}}
service lmtp {{
  process_limit = 100
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
service auth {{
  inet_listener {{
    port = {auth}
  }}
}}
"""


def start(
    directory: Path, form: str, users: int, port: int, hibernate: int, extra: str, certificate: Path | None
) -> None:
    for name in ("run", "state", "mail"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755)
    os.chown(directory / "mail", common.STORE_ID, common.STORE_ID)
    lines = [f"{common.user_name(n)}:{{PLAIN}}{common.PASSWORD}\n" for n in range(1, users + 1)]
    (directory / "users").write_text("".join(lines))
    ports = {"imap": port + 143, "imaps": port + 993 if certificate else 0, "lmtp": port + 24, "auth": port + 26}
    tls = f"ssl = yes\nssl_cert = <{certificate}\nssl_key = <{certificate}" if certificate else "ssl = no"
    config = directory / "dovecot.conf"
    config.write_text(
        CONFIG.format(
            directory=directory,
            location=LOCATIONS[form],
            owner=common.STORE_ID,
            hibernate=hibernate,
            extra=extra,
            tls=tls,
            **ports,
        )
    )
    pid = common.spawn(directory, "dovecot", ["dovecot", "-F", "-c", str(config)])
    common.wait_for_port(ports["imap"])
    print(json.dumps({"pid": pid, "format": form, **ports}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("start", "stop"))
    parser.add_argument("directory", type=Path)
    parser.add_argument("--format", choices=LOCATIONS, default="mdbox")
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--port", type=int, default=26_000)
    parser.add_argument("--hibernate", type=int, default=0, help="imap_hibernate_timeout in seconds; 0 is off")
    parser.add_argument("--extra", default="", help="further lines of configuration")
    parser.add_argument("--certificate", type=Path, help="a file with key and certificate, for TLS at PORT+993")
    args = parser.parse_args()
    directory = args.directory.resolve()
    if args.action == "start":
        start(directory, args.format, args.users, args.port, args.hibernate, args.extra, args.certificate)
    else:
        common.stop(directory, "dovecot")


if __name__ == "__main__":
    main()

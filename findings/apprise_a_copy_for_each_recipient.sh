#!/usr/bin/env bash
# apprise: who stands in the copy of a mail to five people gets it five times; a copy that was refused counts as sent.
#
# Guess: mailto://...?to=a@example.org,b@example.org&cc=c@example.org&bcc=d@example.org is one mail, as in a mail
#   program: each of the four gets it once, and a and b see each other. notify() is False where the mail server refuses
#   one of them.
# Seen (apprise 1.13.1, aiosmtpd 1.4.6, Python 3.11): it is a mail for each `to`, each with the whole copy: c and d get two,
#   of five recipients five, and a does not see b. Where b or c is refused (550), notify() is True: a mail that anybody
#   takes counts as sent, so that one to b of which only the copies arrive does too.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check apprise==1.13.1 aiosmtpd==1.4.6

"$work/venv/bin/python" - <<'PYTHON'
import logging
import socket
import sys
from collections import Counter
from importlib.metadata import version

import apprise
from aiosmtpd.controller import Controller

logging.disable()
print(", ".join(f"{name} {version(name)}" for name in ("apprise", "aiosmtpd")), f"Python {sys.version.split()[0]}")
mails: list[list[str]] = []
refused: set[str] = set()


class Mailbox:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address[0] in refused:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mails.append([address[0] for address in envelope.rcpt_tos])
        return "250 OK"


with socket.create_server(("127.0.0.1", 0)) as probe:
    port = probe.getsockname()[1]
controller = Controller(Mailbox(), hostname="127.0.0.1", port=port)
controller.start()


def sent(to: str, unknown: str = "") -> str:
    """Who got how many mails, and whether that counts as sent."""
    mails.clear()
    refused.clear()
    refused.update(unknown)
    told = apprise.Apprise()
    addresses = [",".join(f"{each}@example.org" for each in part) for part in (to, "c", "d")]
    told.add("mailto://127.0.0.1:{}/?from=w@example.org&to={}&cc={}&bcc={}".format(port, *addresses))
    result = told.notify(title="alert", body="disk is full")
    counts = Counter(each for mail in mails for each in mail)
    return ", ".join(f"{each} {counts[each]}" for each in sorted(counts)) + f": {result}"


cases = (  # to, refused, guess, seen
    ("ab", "", "a 1, b 1, c 1, d 1: True", "a 1, b 1, c 2, d 2: True"),
    ("abefg", "", "a 1, b 1, c 1, d 1, e 1, f 1, g 1: True", "a 1, b 1, c 5, d 5, e 1, f 1, g 1: True"),
    ("a", "c", "a 1, d 1: False", "a 1, d 1: True"),
    ("ab", "b", "a 1, c 1, d 1: False", "a 1, c 2, d 2: True"),
)
different = []
for to, unknown, guess, described in cases:
    seen = sent(to, unknown)
    print(f"to {', '.join(to)}, copies to c and d" + (f", {unknown} is refused" if unknown else ""))
    print(f"  guess: {guess}\n  seen:  {seen}")
    if seen != described:
        different.append((to, unknown))
controller.stop()
sys.exit(f"No longer as described: {different}" if different else 0)
PYTHON

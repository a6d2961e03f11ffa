#!/usr/bin/env bash
# apprise: an alert that a webhook redirects is told as delivered, and the new address has got an empty GET.
#
# Guess: when the address of a webhook moves (from http to https, say, by a 301 of the proxy), either the alert is sent
#   to the new one, or notify() is False.
# Seen (apprise 1.13.1, Python 3.11): after 301, 302 and 303 notify() is True. The new address was asked with GET and got
#   nothing of the alert: requests goes on as browsers do, and its answer 200 counts. json://, xml:// and form:// alike;
#   307 and 308 are sent on as they were. `?redirect=no` in the address makes each of them a failure.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check apprise==1.13.1

"$work/venv/bin/python" - <<'PYTHON'
import logging
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

import apprise

logging.disable()
print(f"apprise {version('apprise')}, requests {version('requests')}, Python {sys.version.split()[0]}")
heard: list[str] = []


class Webhook(BaseHTTPRequestHandler):
    """Answers with the status that the path names, and sends from there to /new, which answers 200."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/new":
            heard.append(f"{self.command} with {'the alert' if b'disk' in body else 'nothing'}")
        self.send_response(200 if self.path == "/new" else int(self.path.strip("/").partition("?")[0]))
        self.send_header("Location", "/new")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
threading.Thread(target=server.serve_forever, daemon=True).start()
LOST, SENT, REFUSED = "True, GET with nothing", "True, POST with the alert", "False, not asked"
cases = [(f"{kind}://", status, "", SENT if status > 303 else LOST)
         for kind in ("json", "xml", "form") for status in (301, 302, 303, 307, 308)]
cases.append(("json://", 301, "?redirect=no", REFUSED))
different = []
for kind, status, options, described in cases:
    heard.clear()
    told = apprise.Apprise()
    told.add(f"{kind}127.0.0.1:{server.server_port}/{status}{options}")
    seen = f"{told.notify(title='alert', body='disk is full')}, {heard[0] if heard else 'not asked'}"
    guess = SENT if described == SENT else f"{SENT}; or False"
    print(f"{kind}{options} answered with {status}\n  guess: {guess}\n  seen:  {seen}")
    if seen != described:
        different.append((kind, status))
server.shutdown()
sys.exit(f"No longer as described: {different}" if different else 0)
PYTHON

"""Is the internal API on this machine healthy? Exits with 0 or 1. For container engines; the standard library only."""

import os
import sys
import urllib.request

URL = f"http://127.0.0.1:{os.environ.get('PORT') or 3000}/internal/worker/health"
KEY = os.environ.get("INTERNAL_API_KEY", "").split(",")[0].strip()

# Never through a proxy, whatever the environment says.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))

try:
    OPENER.open(urllib.request.Request(URL, headers={"x-internal-api-key": KEY} if KEY else {}), timeout=4)
except OSError as error:
    sys.exit(f"{URL}: {error}")

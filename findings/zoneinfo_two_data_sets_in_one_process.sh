#!/usr/bin/env bash
# zoneinfo chooses between the system's time zone data and the package tzdata for each name, not once for all.
#
# Guess: where the system has a folder of time zone data, a process reads that; the package tzdata is for systems that
#   have none. In any case two names of one place (America/Vancouver, Canada/Pacific) give one time.
# Seen (Python 3.11, system data 2025.2, package 2026.6): where the system's folder lacks only the older names, which
#   some distributions put into a package of their own, each of these comes from the package instead. After a change of
#   rules that only one of the two knows, one place has two times in one process: Canada/Pacific is -07:00 in December
#   2026, America/Vancouver is -08:00. Nothing says so: no error, no warning, and the package counts as installed.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
pip=("$work/venv/bin/pip" install --quiet --disable-pip-version-check)
"${pip[@]}" tzdata==2026.6
"${pip[@]}" --no-deps --target "$work/older" tzdata==2025.2
system=$work/older/tzdata/zoneinfo # stands for /usr/share/zoneinfo

cat >"$work/times.py" <<'PYTHON'
from datetime import datetime
from zoneinfo import ZoneInfo

for name in ("America/Vancouver", "Canada/Pacific"):
    print(f"{name} {datetime(2026, 12, 1, 12, tzinfo=ZoneInfo(name)):%H:%M%z}")
PYTHON
times() { PYTHONTZPATH=$1 "$work/venv/bin/python" "$work/times.py" | paste -sd ' '; }

"$work/venv/bin/python" --version
echo "system data 2025.2, package tzdata 2026.6; noon of 2026-12-01:"
package=$(times '')
whole=$(times "$system")
rm -r "$system/Canada"
split=$(times "$system")
printf '%s\n' \
  "  the package alone:                 $package" \
  "  a system with all names:           $whole" \
  "  a system without older names:" \
  "    guess: $whole" \
  "    seen:  $split"

new='America/Vancouver 12:00-0700 Canada/Pacific 12:00-0700'
old='America/Vancouver 12:00-0800 Canada/Pacific 12:00-0800'
mixed='America/Vancouver 12:00-0800 Canada/Pacific 12:00-0700'
if [[ $package != "$new" || $whole != "$old" || $split != "$mixed" ]]; then
  echo "No longer as described" >&2
  exit 1
fi

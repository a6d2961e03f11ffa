"""What the audit log shows. Pure: entries in, what the template shows out."""

from collections.abc import Mapping, Sequence
from typing import Any

from recurrence_pipeline.api.ui.clocks import Clock
from recurrence_pipeline.api.ui.session import PATH
from recurrence_pipeline.domain.times import iso

UNKNOWN = "not known: it is still being done, or the process died meanwhile"


def audit_values(entries: Sequence[Mapping[str, Any]], clock: Clock, size: int) -> dict[str, Any]:
    """Return what the template shows."""
    last = iso(entries[-1]["at"]) if len(entries) == size else None
    return {
        "entries": [_shown(entry, clock) for entry in entries],
        "next": None if last is None else f"{PATH}/audit?before={last}",
    }


def notice_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a page says of what was just done."""
    return {"act": str(entry["act"]), "result": str(entry.get("result", UNKNOWN)), "ok": entry.get("ok") is True}


def _shown(entry: Mapping[str, Any], clock: Clock) -> dict[str, Any]:
    act, subject = str(entry["act"]), str(entry["subject"])
    leads = act not in {"restore", "replay"}
    details = ", ".join(f"{name} {value}" for name, value in entry.get("details", {}).items())
    return notice_of(entry) | {
        "at": clock.time(entry["at"]),
        "who": str(entry["who"]),
        "subject": subject,
        "href": f"{PATH}/series/{subject}" if leads else None,
        "details": details,
    }

"""What may be stored: strategies for values that BSON holds, and the way through BSON itself."""

from datetime import datetime, timezone

import bson
from bson import Binary, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from hypothesis import strategies as st

from recurrence_pipeline.storage.documents import Document

ORIGINAL = "65a000000000000000000001"
USER = "65a000000000000000000002"
EVENT = "65a000000000000000000003"
NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
DUE = datetime(2026, 3, 2, 9, 30, tzinfo=timezone.utc)

AS_READ = CodecOptions[Document](tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO)
"""A date outside of Python's years 1 to 9999 reads as DatetimeMS."""


def stored(document: Document) -> Document:
    """Return the document as the database gives it back."""
    return bson.decode(bson.encode(document), AS_READ)


ids = st.binary(min_size=12, max_size=12).map(bytes.hex)
moments = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(timezone.utc)).map(  # noqa: DTZ001
    lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
)
counts = st.integers(0, 2**31)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
odd_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | text
    | st.sampled_from(["daily", "none", "Mars/Olympus", "2024-01-31"])
    | moments
    | st.integers(-(2**63), 2**63 - 1).map(DatetimeMS)
    | ids.map(ObjectId)
    | st.binary(max_size=12).map(Binary)
    | st.sampled_from([MinKey(), MaxKey(), Regex("^a"), Timestamp(1, 1), Decimal128("NaN"), Decimal128("3"), Int64(3)]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["number", "repeatType", "kind", "message", "at", "attempt"]), inner)
    ),
    max_leaves=5,
)


def odd_documents(*fields: str) -> st.SearchStrategy[Document]:
    return st.dictionaries(st.sampled_from(fields), odd_values)

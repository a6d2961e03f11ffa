"""MongoDB URLs for tests."""

from urllib.parse import parse_qsl, urlencode, urlsplit

OPTIONS = {
    "heartbeatFrequencyMS": "500",  # else a client is blind for 10 s after "not primary"
    "retryWrites": "false",  # a standalone has none, and our own repeats are what is tested
    "serverSelectionTimeoutMS": "5000",
}


def with_database(server: str, database: str) -> str:
    """Return the server's URL with this database and the options of tests; options that it has already win."""
    parts = urlsplit(server)
    options = OPTIONS | ({"authSource": "admin"} if "@" in parts.netloc else {}) | dict(parse_qsl(parts.query))
    return parts._replace(path=f"/{database}", query=urlencode(options)).geturl()

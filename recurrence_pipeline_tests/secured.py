"""Servers that want a password and speak TLS only, with certificates of an authority that was made for the test."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import trustme
from pymongo import MongoClient

from recurrence_pipeline.local.embedded import EmbeddedServer
from recurrence_pipeline.storage.documents import Document

ROLES = {"worker": ["readWrite", "dbAdmin"], "reader": ["read"]}
"""The users, and what they may do: the worker has what docs/how-to/deploy.md says, and no more."""
PASSWORD = "canary/:@%-7c1f"
"""Has what must be percent-encoded, and is looked for where it must not be."""


@dataclass(frozen=True, slots=True)
class Certificates:
    """The files: the authority's certificate, and the server's with its key."""

    authority: Path
    certificate: Path
    key: Path


def certificates(folder: Path) -> Certificates:
    """Make an authority, and a certificate of this machine."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1", "::1")
    files = Certificates(folder / "authority.pem", folder / "certificate.pem", folder / "key.pem")
    authority.cert_pem.write_to_path(files.authority)
    issued.private_key_pem.write_to_path(files.key)
    files.certificate.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
    files.key.chmod(0o600)
    return files


@dataclass(frozen=True, slots=True)
class SecuredMongo:
    """A MongoDB server that wants TLS and SCRAM-SHA-256."""

    port: int
    authority: Path

    def url(self, *, user: str = "worker", password: str = PASSWORD, tls: str | None = None, **options: str) -> str:
        """Return the URL of the database `tasks`; what is given takes the place of what is right."""
        chosen = {
            "authSource": "admin",
            "authMechanism": "SCRAM-SHA-256",
            "journal": "true",
            "retryWrites": "false",
            "heartbeatFrequencyMS": "500",  # after a refused password the driver asks again with the next one
            **({"directConnection": "true"} if "replicaSet" not in options else {}),
            **options,
        }
        query = "&".join(f"{name}={value}" for name, value in chosen.items())
        tls = f"&tls=true&tlsCAFile={self.authority}" if tls is None else tls
        return f"mongodb://{user}:{quote(password, safe='')}@127.0.0.1:{self.port}/tasks?{query}{tls}"


@contextmanager
def secured_mongo(folder: Path, files: Certificates) -> Iterator[SecuredMongo]:
    """Make the users while everybody may, then start the server again as it should be."""
    with EmbeddedServer.start(folder, arguments=["--sync-on-commit"]) as open_to_all:
        with MongoClient[Document](open_to_all.url("admin")) as client:
            for user, names in ROLES.items():
                roles = [{"role": name, "db": "tasks"} for name in names]
                client.admin.command("createUser", user, pwd=PASSWORD, roles=roles, mechanisms=["SCRAM-SHA-256"])
        open_to_all.kill()
    tls = ["--tls-cert-file", str(files.certificate), "--tls-key-file", str(files.key)]
    server = EmbeddedServer.start(folder, arguments=["--auth", *tls])
    try:
        yield SecuredMongo(server.port, files.authority)
    finally:
        server.kill()

"""Encrypted connections to the database, against real servers with certificates of the test's own authority."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pymysql
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from db.database import Database
from db.env import Env
from db.errors import DatabaseAway
from db.server.private import PrivateServer
from db.settings import DatabaseSettings
from db.tls import TlsSettings
from tests.db.builders import ask
from tests.servers.database import TestServer

KEY = tuple[ec.EllipticCurvePrivateKey, x509.Name]


@dataclass(frozen=True)
class Papers:
    """Files in PEM form."""

    ca: Path
    other_ca: Path
    server: tuple[Path, Path]
    client: tuple[Path, Path]


def certificate(
    folder: Path, name: str, issuer: KEY | None, *, host: str = "", ca: bool = False
) -> tuple[Path, Path, KEY]:
    """A certificate and its key, signed by `issuer` or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer, signed_by = issuer or (key, subject)
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signed_by)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if host:
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
        builder = builder.add_extension(names, critical=False)
    made = builder.sign(signer, hashes.SHA256())
    pem, pem_key = folder / f"{name}.pem", folder / f"{name}.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem_key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    return pem, pem_key, (key, subject)


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    folder = tmp_path_factory.mktemp("papers")
    ca, _, authority = certificate(folder, "ca", None, ca=True)
    other, _, _ = certificate(folder, "other-ca", None, ca=True)
    server = certificate(folder, "server", authority, host="127.0.0.1")[:2]
    client = certificate(folder, "client", authority)[:2]
    return Papers(ca, other, server, client)


@pytest.fixture(scope="module")
def secure(server: TestServer, papers: Papers) -> Iterator[PrivateServer]:
    """A server with a certificate for 127.0.0.1."""
    running = server.new_private("tls")
    certificate_file, key_file = papers.server
    running.options = (f"--ssl-ca={papers.ca}", f"--ssl-cert={certificate_file}", f"--ssl-key={key_file}")
    for file in (*papers.server, papers.ca):
        file.chmod(0o644)
    with running:
        yield running


def settings(server: PrivateServer, tls: TlsSettings, **more: object) -> DatabaseSettings:
    found = DatabaseSettings(
        host=server.host, port=server.port, user=server.user, password=server.password, name=server.database, tls=tls
    )
    return replace(found, **more)  # type: ignore[arg-type]


def cipher(settings: DatabaseSettings) -> str:
    """How a connection is encrypted; empty when it is not."""
    database = Database(settings, pool_size=1, statement_seconds=10, lock_seconds=5, patience_seconds=0.1)
    try:
        [row] = ask(database, "SHOW SESSION STATUS LIKE 'Ssl_cipher'")
        return str(row["Value"])
    finally:
        database.close()


def refusal(settings: DatabaseSettings) -> str:
    with pytest.raises(DatabaseAway) as caught:
        cipher(settings)
    return str(caught.value)


def test_on_loopback_nothing_is_encrypted_unless_it_is_asked_for(secure: PrivateServer) -> None:
    assert cipher(settings(secure, TlsSettings())) == ""
    assert cipher(settings(secure, TlsSettings(way="off"))) == ""
    assert cipher(settings(secure, TlsSettings(way="on"))) != ""


def as_root(server: PrivateServer, *statements: str) -> None:
    with pymysql.connect(
        unix_socket=str(server.socket), user="root", password=server.password, ssl_disabled=True
    ) as connection:
        for statement in statements:
            connection.cursor().execute(statement)


def test_a_server_that_insists_gets_encryption_on_loopback_too(secure: PrivateServer) -> None:
    as_root(secure, "SET GLOBAL require_secure_transport = ON")
    try:
        assert cipher(settings(secure, TlsSettings())) != ""
        assert "DB_TLS" in refusal(settings(secure, TlsSettings(way="off")))
        assert "DB_USER and DB_PASSWORD" in refusal(settings(secure, TlsSettings(), password="wrong"))
    finally:
        as_root(secure, "SET GLOBAL require_secure_transport = OFF")


def test_an_account_that_insists_gets_encryption_on_loopback_too(secure: PrivateServer) -> None:
    account = f"insisting@'{secure.host}'"
    as_root(
        secure,
        f"CREATE USER {account} IDENTIFIED BY 'right' REQUIRE SSL",
        f"GRANT ALL ON `{secure.database}`.* TO {account}",
    )
    given = settings(secure, TlsSettings(), user="insisting", password="right")
    assert cipher(given) != ""
    assert "refuses insisting" in refusal(replace(given, tls=TlsSettings(way="off")))
    assert "DB_NAME" in refusal(replace(given, name="nowhere"))


def test_a_server_whose_certificate_is_of_the_right_authority_and_names_it_is_trusted(
    secure: PrivateServer, papers: Papers
) -> None:
    assert cipher(settings(secure, TlsSettings(way="verify", ca=str(papers.ca)))) != ""
    with_certificate = TlsSettings(
        way="verify", ca=str(papers.ca), certificate=str(papers.client[0]), key=str(papers.client[1])
    )
    assert cipher(settings(secure, with_certificate)) != ""


def test_another_authority_is_refused_with_its_reason(secure: PrivateServer, papers: Papers) -> None:
    said = refusal(settings(secure, TlsSettings(way="verify", ca=str(papers.other_ca))))
    assert said.startswith("the database server's certificate is refused: ")
    # without a file of its own the system's authorities count, and none of them knows this server
    assert "certificate is refused" in refusal(settings(secure, TlsSettings(way="verify")))


def test_a_certificate_for_another_host_is_refused(secure: PrivateServer, papers: Papers) -> None:
    verify = TlsSettings(way="verify", ca=str(papers.ca))
    said = refusal(settings(secure, verify, host="localhost"))
    assert "Hostname mismatch, certificate is not valid for 'localhost'" in said
    assert cipher(settings(secure, TlsSettings(way="on"), host="localhost")) != ""


def test_a_server_that_cannot_encrypt_is_refused_when_encryption_is_asked_for(server: TestServer) -> None:
    running = server.new_private("no-tls")
    running.options = ("--skip-ssl",) if server.product == "mariadb" else ("--tls-version=",)
    with running:
        assert cipher(settings(running, TlsSettings())) == ""
        for tls in (TlsSettings(way="on"), TlsSettings(way="verify")):
            assert refusal(settings(running, tls)) == "the database server does not offer TLS, and DB_TLS asks for it"


# The settings


def read(**values: str) -> tuple[TlsSettings, list[str]]:
    env = Env(values)
    return TlsSettings.from_env(env), env.problems


def test_settings_that_do_not_fit_together_are_named(papers: Papers, tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("no certificate")
    ca, (cert, key) = str(papers.ca), papers.client
    assert read()[0] == TlsSettings()
    assert read(DB_TLS="Verify", DB_TLS_CA=ca) == (TlsSettings(way="verify", ca=ca), [])
    assert read(DB_TLS="yes")[1] == ["DB_TLS must be one of auto, off, on, verify, not 'yes'."]
    assert read(DB_TLS_CA=ca)[1] == ["DB_TLS_CA is set, but only DB_TLS=verify checks the server by it."]
    assert read(DB_TLS="on", DB_TLS_CERT=str(cert))[1] == [
        "DB_TLS_CERT and DB_TLS_KEY belong together: set both or none."
    ]
    assert read(DB_TLS_CERT=str(cert), DB_TLS_KEY=str(key))[1] == [
        "DB_TLS_CERT is set, but only DB_TLS=on or DB_TLS=verify uses it."
    ]
    assert read(DB_TLS="verify", DB_TLS_CA="/nowhere")[1] == ["DB_TLS_CA names /nowhere, which is no file."]
    assert read(DB_TLS="verify", DB_TLS_CA=str(rubbish))[1] == [
        f"DB_TLS_CA names {rubbish}, which has no certificate in PEM form."
    ]
    assert read(DB_TLS="on", DB_TLS_CERT=str(rubbish), DB_TLS_KEY=str(key))[1] == [
        "DB_TLS_CERT and DB_TLS_KEY do not hold a certificate and its key in PEM form."
    ]


def test_elsewhere_than_on_loopback_encryption_is_tried() -> None:
    assert TlsSettings().for_hosts(("127.0.0.1", "localhost")) == {"ssl_disabled": True}
    assert TlsSettings().for_hosts(("127.0.0.1", "db.example.com")) == {"ssl_disabled": False}
    assert TlsSettings(way="off").for_hosts(("db.example.com",)) == {"ssl_disabled": True}

"""What can go wrong with the record, and the one place where the driver's errors become ours.

RecordError
|- DatabaseAway            the server cannot be reached, or refuses for now; nothing was written
|  |- DatabaseReadOnly     it answers, but takes no writes at the moment
|- Conflict                a deadlock, a lock not given in time, a failed certification: run the whole work again
|- OutcomeUnknown          the connection broke while committing: the work may or may not be in the record
|- Duplicate               a unique key refused a row; `key` names it
|- Replayed                this signed request is in the record already
|- Outdated                what was decided from memory is not what the record says any more
|- TooLarge                a statement is larger than the server takes (`max_allowed_packet`)
|- Interrupted             a statement ran into its time limit; nothing was written
|- SchemaError             the tables are not the ones this program knows
"""

from __future__ import annotations

import re
import socket
import ssl
from dataclasses import dataclass

import pymysql.err


class RecordError(Exception):
    """Something went wrong with the record."""


class DatabaseAway(RecordError):
    """The server cannot be reached, or refuses for now; nothing was written."""


class DatabaseReadOnly(DatabaseAway):
    """The server answers, but takes no writes at the moment."""


class Conflict(RecordError):
    """Another transaction was in the way; nothing was written, and the whole work may run again."""


class OutcomeUnknown(RecordError):
    """The connection broke while committing: the work may or may not be in the record."""


class Duplicate(RecordError):
    """A unique key refused a row."""

    def __init__(self, message: str, key: str) -> None:
        super().__init__(message)
        self.key = key


class Replayed(RecordError):
    """A request with the same signature is in the record already; nothing was written."""


class Outdated(RecordError):
    """What was decided from memory is not what the record says any more; nothing was written."""


class TooLarge(RecordError):
    """A statement is larger than the server takes."""


class Interrupted(RecordError):
    """A statement ran into its time limit; nothing was written."""


class SchemaError(RecordError):
    """The tables are not the ones this program knows."""


OPEN_KEY = "uq_open_key"
"""The unique key that makes a second open incident of one incident key impossible."""

CHAIN_KEY = "uq_chain"
"""The unique key that makes a second event in one place of a chain impossible."""

SIGNATURE_KEY = "uq_signature"
"""The unique key that makes a signature good only once."""

_CONFLICTS = {
    1205,  # lock wait timeout
    1213,  # deadlock; on Galera also a failed certification, at any statement and at COMMIT
    1020,  # MariaDB 11.8: record changed since last read (innodb_snapshot_isolation)
    3572,  # NOWAIT or SKIP LOCKED did not get a lock
    3101,  # Group Replication: certification failed at COMMIT
    1206,  # the lock table is full
    1412,  # a table changed while the transaction ran: a migration of another process
}
_AWAY = {
    1047,  # Galera: the node is not ready, or is not in the primary component
    1040,  # too many connections
    1053,  # server shutdown in progress
    1203,  # too many connections of this user
    1044,  # no access to the database
    1045,  # access denied: a configuration problem, but nothing is lost and the source sends again
    1049,  # unknown database
    1114,  # table is full
    1021,  # disk full
    3, 14, 1026, 1030,  # a write of the server's own failed, or its storage engine's: most often a full disk too
    1317,  # query interrupted (KILL QUERY, shutdown)
    1927,  # connection was killed (MariaDB)
    2002, 2003, 2005, 2006, 2013, 2014, 2055,  # the client library's: no connection, or it broke
    4031,  # disconnected by the server because of inactivity
}  # fmt: skip
"""The commonest; every other OperationalError that is not named here counts as one of these too."""

# read_only, read-only transaction, read-only mode, replication hook refused, a log that cannot hold what we write
_READ_ONLY = {1290, 1792, 1836, 3100, 1665}
_NO_FAULT_OF_THE_SERVER = {1317}  # somebody ended this statement; the server is as good as before
_INTERRUPTED = {3024, 1969}  # MySQL's and MariaDB's statement time limit
# no such table, column or routine; a column without a value; a table that Group Replication does not take
_SCHEMA = {1146, 1054, 1305, 1364, 3098}
_DUPLICATE_KEY = re.compile(r"for key '(?:[^'.]+\.)?([^']+)'$")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the database is and who asks it, for sentences that people read."""

    server: str = "the database server"  # `db1:3306`
    user: str = "the user"
    name: str = "the database"
    never_encrypted: bool = False


_WORDS = {
    1040: "{server} has no connection left for {user} (max_connections); raise it, or stop what holds them",
    1044: "{user} may not use the database {name} at {server}; check DB_NAME, or GRANT ALL ON {name}.* TO {user}",
    1045: "{server} refuses {user}: access denied; check DB_USER and DB_PASSWORD",
    1049: "{server} has no database {name}; create it, or check DB_NAME",
    1129: "{server} blocks this host after too many broken connections; run FLUSH HOSTS there",
    1130: "{server} takes no connections from this host for {user}; create the user for this host",
    1203: "{user} has no connection left at {server} (max_user_connections); raise the limit of the user",
    1226: "{user} is over a limit of its account at {server}; raise it with ALTER USER ... WITH",
    1227: "{user} lacks a right at {server}",
    1251: "{server} asks {user} to authenticate in a way that the driver cannot do",
    1290: "{server} takes no writes (read-only); check DB_HOST, or switch read_only off",
    1524: "{server} does not know the way {user} authenticates; ALTER USER {user} with a plugin that it has",
    1665: "{server} cannot write with binlog_format=STATEMENT; set binlog_format to ROW or MIXED",
    1698: "{server} refuses {user}: access denied; give the user a password, and check DB_USER and DB_PASSWORD",
    1792: "{server} takes no writes (transaction_read_only is on); switch it off",
    1820: "the password of {user} at {server} has expired; set a new one with ALTER USER",
    1836: "{server} is in read-only mode; check DB_HOST",
    1862: "the password of {user} at {server} has expired; set a new one with ALTER USER",
    2003: "nobody answers at {server}; check DB_HOST and DB_PORT, and that the server runs",
    2005: "the host of {server} cannot be found; check DB_HOST, and the network's names (DNS)",
    2006: "the connection to {server} broke",
    2013: "the connection to {server} broke",
    2055: "the connection to {server} broke",
    2059: "{server} asks {user} to authenticate in a way that the driver cannot do",
    3118: "the account {user} is locked at {server}; ALTER USER ... ACCOUNT UNLOCK",
    3159: "{server} takes encrypted connections only; set DB_TLS=on",
    4151: "the account {user} is locked at {server}; ALTER USER ... ACCOUNT UNLOCK",
}
"""What people meet when they set it up or run it, with the remedy; all other errors in the server's own words."""

_MOST_WORDS = 300
_SECURE_TRANSPORT = "require_secure_transport"
_ACCESS_DENIED = 1045
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def said(code: int, error: BaseException, place: Place) -> str:
    """An error of the server as a sentence: what is wrong, where, and what to do; never a password."""
    own = _CONTROL.sub(" ", _own_words(error))[:_MOST_WORDS]
    if _SECURE_TRANSPORT in own:
        code = 3159
    if isinstance(getattr(error, "original_exception", None), socket.gaierror):
        code = 2005
    if words := _WORDS.get(code):
        text = words.format(server=place.server, user=place.user, name=place.name)
        if code == _ACCESS_DENIED and place.never_encrypted:
            text += ", and DB_TLS: off does not do if the server or the account wants encryption"
        return f"{text} (error {code})"
    if not is_answer(code):
        number = f" (error {code})" if code else ""
        return f"the connection to {place.server} failed: {own or type(error).__name__}{number}"
    return f"{place.server} said: {own or type(error).__name__} (error {code})"


def _own_words(error: BaseException) -> str:
    return next((words for words in error.args if isinstance(words, str)), "")


def is_answer(code: int) -> bool:
    """Whether this is a number of the server's; the others are of the driver, which may have reached nobody."""
    return code > 0 and not 2000 <= code < 3000


def may_want_tls(error: pymysql.err.MySQLError) -> bool:
    """Whether a server may have refused a login because it was not encrypted; of an account it says access denied."""
    return server_code(error) in (3159, _ACCESS_DENIED) or _SECURE_TRANSPORT in _own_words(error)


def translated(error: pymysql.err.MySQLError | OSError, place: Place | None = None) -> RecordError | None:
    """Our error for one of the driver's, in words that name `place`; None when it means a mistake in our program."""
    place = place or Place()
    if words := _tls_words(error):
        return DatabaseAway(words)
    if isinstance(error, OSError | pymysql.err.InterfaceError):
        return DatabaseAway(f"the connection to {place.server} broke ({type(error).__name__})")
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    text = f"the database answered with error {code}"
    if code in _CONFLICTS or _is_certification(code, error):
        return Conflict(text)
    if code in _READ_ONLY:
        return DatabaseReadOnly(said(code, error, place))
    if code in _AWAY:
        return DatabaseAway(said(code, error, place))
    if code in _INTERRUPTED:
        return Interrupted(text)
    if code == 1153:
        return TooLarge("a statement is larger than the server's max_allowed_packet")
    if code == 1048 and "'turn'" in str(error.args[1:]):  # only `take_turns` makes one NULL, if it is another
        return Outdated("a key was changed since it was remembered")
    if code in (1062, 1644):
        return _duplicate(error, text)
    if code in _SCHEMA:
        return SchemaError(said(code, error, place))
    # Locked accounts, blocked hosts, limits of the host: a person must act, and until then the source sends again. An
    # error of the driver without a number is a connection on which client and server have lost each other.
    if isinstance(error, pymysql.err.OperationalError) or code == 0:
        return DatabaseAway(said(code, error, place))
    return None


def _tls_words(error: BaseException) -> str:
    """What is wrong with the encryption, if that is the matter: a person must act."""
    cause = getattr(error, "original_exception", None) or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the database server's certificate is refused: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return f"TLS with the database server failed: {cause.reason or type(cause).__name__}"
    if isinstance(error, pymysql.err.OperationalError) and error.args and error.args[0] == 2026:
        return "the database server does not offer TLS, and DB_TLS asks for it"
    return ""


def is_galera_abort(error: BaseException) -> bool:
    """Whether this is how Galera reports that it aborted a transaction while a trigger ran: as a syntax error."""
    return isinstance(error, pymysql.err.ProgrammingError) and server_code(error) == 1064


def is_of_the_server(error: BaseException) -> bool:
    """Whether an error speaks against the server, so that another one should be tried."""
    if isinstance(error, OutcomeUnknown) and isinstance(error.__cause__, RecordError):
        error = error.__cause__
    return isinstance(error, DatabaseAway) and server_code(error) not in _NO_FAULT_OF_THE_SERVER


def _is_certification(code: int, error: pymysql.err.MySQLError) -> bool:
    """1180 is any failure of a COMMIT; with the engine's number 149 it is a transaction that lost and was rolled back.

    With another number nobody knows what became of it on the other nodes.
    """
    return code == 1180 and len(error.args) > 1 and "Got error 149 " in str(error.args[1])


def server_code(error: BaseException | None) -> int:
    """The server's number of an error of ours or of the driver; 0 when it has none."""
    if isinstance(error, RecordError):
        error = error.__cause__
    code = error.args[0] if isinstance(error, pymysql.err.MySQLError) and error.args else 0
    return code if isinstance(code, int) else 0


def _duplicate(error: pymysql.err.MySQLError, text: str) -> RecordError | None:
    """1062 from a unique key, or 1644, which only our own guard trigger signals."""
    message = str(error.args[1]) if len(error.args) > 1 else ""
    if error.args[0] == 1644:
        return Conflict(text) if OPEN_KEY in message else None
    found = _DUPLICATE_KEY.search(message)
    key = found.group(1) if found else ""
    # On a cluster the other node's incident becomes visible only now: with it in sight the work decides differently.
    return Conflict(text) if key in (OPEN_KEY, CHAIN_KEY) else Duplicate(text, key)

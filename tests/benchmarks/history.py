"""Fills a record with a long past: a million alerts of incidents that are over, copied in the database itself.

A first part comes in as webhooks; then its rows are copied with earlier times and other incident ids. Columns are asked
of the database, so that a column that is added later is copied as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.benchmarks import bodies
from tests.benchmarks.servers import Target, connected
from tests.servers.observer import send

_EARLIER_ID = (
    "CONCAT('INC-', DATE_FORMAT(STR_TO_DATE(SUBSTRING(incident_id, 5, 14), '%%Y%%m%%d%%H%%i%%s') - INTERVAL {days} DAY,"
    " '%%Y%%m%%d%%H%%i%%s'), SUBSTRING(incident_id, 19))"
)
_MOVED = {
    "incident_id": _EARLIER_ID,
    "received_at": "received_at - INTERVAL {days} DAY",
    "last_seen_at": "last_seen_at - INTERVAL {days} DAY",
    "first_seen_at": "first_seen_at - INTERVAL {days} DAY",
    "created_at": "created_at - INTERVAL {days} DAY",
    "resolved_time": "resolved_time - INTERVAL {days} DAY",
    "is_current": "0",
    "number": "number - {days} * 20000",
}
_FAR = 10_000_000
"""Numbers of incidents above this are those that came in as webhooks: the newest of their keys."""

_BEGAN, _ENDED = -7200.0, -3600.0
"""When what is copied fired, in seconds of the scenarios' clock."""

_TABLES = ("incidents", "grafana_alerts", "incident_instances")


def fill(target: Target, shapes: tuple[bodies.Shape, ...], wanted: int, report: Callable[[str], None]) -> int:
    """Let incidents of these keys fire and resolve, and copy them until there are `wanted` alerts; how many."""
    for shape in shapes:
        for first in range(0, shape.keys, 20):
            keys = range(first, min(first + 20, shape.keys))
            for ends in (None, _ENDED):  # before the alerts of the scenarios began, which fire anew
                alerts = [
                    bodies.alert(shape.family, key, f"{n:08d}", starts=_BEGAN, ends=ends)
                    for key in keys
                    for n in range(5)
                ]
                answer = send(f"http://127.0.0.1:{target.port}", bodies.body(alerts))
                assert answer.status_code == 200, answer.text
    with connected(target.url) as connection, connection.cursor() as cursor:
        triggers = _drop_triggers(cursor)
        for name, value in (("foreign_key_checks", 0), ("unique_checks", 0)):
            cursor.execute(f"SET SESSION {name} = {value}")
        cursor.execute("UPDATE incidents SET number = number + %s", (_FAR,))
        cursor.execute("SELECT COUNT(*) FROM grafana_alerts")
        (base,) = cursor.fetchone() or (0,)
        for table in _TABLES:  # an INSERT that selects from its own table would go through a temporary one
            cursor.execute(f"CREATE TABLE past_{table} AS SELECT * FROM {table}")  # noqa: S608 - names of ours
        copies = max(0, -(-(wanted - base) // base))
        for days in range(1, copies + 1):
            for table in _TABLES:
                names = _columns(cursor, table) + ["number"] * (table == "incidents")
                values = [_MOVED.get(name, f"`{name}`").format(days=days).replace("%%", "%") for name in names]
                cursor.execute(
                    f"INSERT INTO {table} ({', '.join(f'`{name}`' for name in names)}) "  # noqa: S608 - names of ours
                    f"SELECT {', '.join(values)} FROM past_{table}"
                )
            if days % 20 == 0:
                report(f"  {base * (days + 1):,} alerts ...")
        for table in _TABLES:
            cursor.execute(f"DROP TABLE past_{table}")
        cursor.execute(f"ALTER TABLE incidents AUTO_INCREMENT = {2 * _FAR}")
        for statement in triggers:
            cursor.execute(statement)
    return int(base * (copies + 1))


def _columns(cursor: Any, table: str) -> list[str]:
    """The columns that an INSERT may name, without the number that the table gives."""
    cursor.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = %s"
        " AND extra NOT LIKE '%%auto_increment%%' AND extra NOT LIKE '%%GENERATED%%' ORDER BY ordinal_position",
        (table,),
    )
    return [str(row[0]) for row in cursor.fetchall()]


def _drop_triggers(cursor: Any) -> list[str]:
    """Remove all triggers; the statements that make them again."""
    cursor.execute("SHOW TRIGGERS")
    made = []
    for name, event, table, statement, timing, *_ in cursor.fetchall():
        made.append(f"CREATE TRIGGER {name} {timing} {event} ON {table} FOR EACH ROW {statement}")
        cursor.execute(f"DROP TRIGGER {name}")
    return made

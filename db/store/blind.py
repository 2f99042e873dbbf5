"""Rules that cannot see now, and of which data source."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from db.columns import cut
from db.database import Row, Transaction
from db.model.blind import BlindRule
from db.model.identity import IncidentId, IncidentKey
from db.queries import query


def of_rules(tx: Transaction, rules: Iterable[str]) -> Mapping[str, tuple[BlindRule, ...]]:
    """Those of these rules that are blind, with all reasons, the first one first."""
    names = sorted({cut(rule, 255) for rule in rules})
    if not names:
        return {}
    found: dict[str, list[BlindRule]] = defaultdict(list)
    for row in tx.rows(query("blind", "of_rules"), {"rules": names}):
        found[row["rule_uid"]].append(_rule(row))
    return {rule: tuple(reasons) for rule, reasons in found.items()}


def write(tx: Transaction, went_blind: Sequence[BlindRule], sees_again: Sequence[BlindRule]) -> None:
    """Add rules that went blind, and remove blind alerts that are over."""
    tx.insert_many(query("blind", "add"), [_columns(rule) for rule in went_blind])
    for rule in sees_again:
        tx.execute(query("blind", "remove"), _columns(rule))


def _columns(rule: BlindRule) -> dict[str, object]:
    return {
        "rule_uid": cut(rule.rule_uid, 255),
        "fingerprint": cut(rule.fingerprint, 64),
        "incident_key": rule.key,
        "incident_id": rule.incident_id,
        "source": cut(rule.source, 255),
        "since": rule.since,
    }


def _rule(row: Row) -> BlindRule:
    return BlindRule(
        rule_uid=row["rule_uid"],
        fingerprint=row["fingerprint"],
        key=IncidentKey(row["incident_key"]),
        incident_id=IncidentId(row["incident_id"]),
        source=row["source"],
        since=row["since"],
    )

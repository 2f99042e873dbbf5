"""When a source's own list of alerts is compared with the record: the `[reconcile]` table of the policy file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from db.model.sections import Sections


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulling:
    """How often, how patiently, and which alerts of the list are ours."""

    every: timedelta = timedelta(minutes=1)  # between two looks at a list
    grace: timedelta = timedelta(minutes=3)  # how long a webhook may be on its way before it counts as lost
    receivers: frozenset[str] = frozenset()  # contact points that lead here, beside those that webhooks name
    origins: frozenset[str] = frozenset()  # addresses (`externalURL`) of the configured servers, beside their own


def read_pulling(file: Sections) -> Pulling:
    """Read `[reconcile]`; what is wrong with it gathers in the file's problems."""
    default = Pulling()
    table = file.table("reconcile", {"every", "grace", "receivers", "origins"})
    every = table.duration("every", default.every)
    if not every:
        table.problem("every", 'must not be "0s"; without GRAFANA_URL and ALERTMANAGER_URL nothing is compared')
    return Pulling(
        every=every,
        grace=table.duration("grace", default.grace),
        receivers=frozenset(table.texts("receivers", ())),
        origins=frozenset(table.texts("origins", ())),
    )

"""Why something happened to an incident, where its kind and who did it do not say it."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Reason(StrEnum):
    """The closed list; these words are in the timeline and its hash chain, so none is ever renamed."""

    NONE = ""
    ALL_RECOVERED = "all_instances_resolved"  # the source says that nothing fires any more
    FIRED_AGAIN = "new_occurrence_in_window"  # soon after it had resolved
    RESOLVED_UNSEEN = "resolved_unseen"  # the source says "resolved" of what it never said firing
    FOUND_BY_RECONCILIATION = "found_by_reconciliation"  # no webhook said it, the source's own list does
    STILL_FIRING = "still_firing"  # a person resolved it, and it fires all the same
    NO_DATA = "resolve_while_blind"  # "resolved" while its rule has no data
    NO_DATA_SAID = "resolve_without_data"  # "resolved" that says itself that there was no data
    RECOVERED_WITHOUT_DATA = "recovered_while_blind"  # data is back, and it does not fire
    RESOLVED_WITHOUT_DATA = "resolved_while_blind"  # the data was lost just as it resolved
    BULK = "bulk"  # a person acted on a whole group

    @classmethod
    def read(cls, text: str) -> Self:
        """As the database has it; an unknown word tells nothing."""
        return cls(text) if any(text == known for known in cls) else cls("")

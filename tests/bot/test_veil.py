"""What the policy masks for Slack is masked wherever a card shows it."""

from __future__ import annotations

from dataclasses import replace

from bot.blocks.card import incident_card
from bot.text import ENGLISH
from bot.veil import Veil
from db.model.alert import Links
from db.model.policy import Policy
from tests.bot.blocks.incidents import ACTIVE, FIRES

SECRET = "tok-4711"
MASKS = Policy.parse({"masks": [{"pattern": "tok-[0-9]+", "where": "slack"}]}).masks


def test_what_fires_is_masked_too() -> None:
    instances = tuple(
        replace(one, labels={"token": f"{SECRET}{number}"}, first_values=SECRET, last_values=f"{SECRET}1")
        for number, one in enumerate(FIRES.instances)
    )
    fires = replace(
        FIRES, instances=instances, summary=f"a {SECRET}", links=Links(source=f"https://g.example/{SECRET}")
    )
    for shown in (fires, replace(fires, instances=instances[:1])):
        card = incident_card(replace(ACTIVE, fires=shown), ENGLISH)
        assert SECRET in str(card)
        masked = incident_card(Veil(MASKS).incident(replace(ACTIVE, fires=shown)), ENGLISH)
        assert SECRET not in str(masked)

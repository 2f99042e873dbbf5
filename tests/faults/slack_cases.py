"""Slack misbehaves, refuses, or is away."""

from __future__ import annotations

import time

from tests.faults.case import case
from tests.faults.stage import Stage
from tests.servers.observer import rows
from tests.servers.slack import TOKEN

ROUTES = """
[[routes]]
match = { rule = "elsewhere" }
channel = "#random"
[slack]
fallback_channel = "#fallback"
fallback_after = "5m"
"""

FOUND = "The card appears once; until its outcome is known, buttons on it work all the same."


def lost_answer(stage: Stage, how: str, **more: object) -> None:
    """Slack takes the post, and its answer is lost."""
    stage.slack.fault("chat.postMessage", "lose", how=how, times=1, **more)
    with stage.observer():
        assert stage.alert() == 200
        stage.wait(lambda: len(stage.cards()) == 1, "the post")
        assert stage.acknowledge() == 200
        stage.settle()
    assert len(stage.slack.calls("chat.postMessage")) == 1


@case("Slack's answer lost", "connection closed after Slack took the post", FOUND)
def answer_closed(stage: Stage) -> None:
    lost_answer(stage, "close")


@case("Slack's answer lost", "connection reset after Slack took the post", FOUND)
def answer_reset(stage: Stage) -> None:
    lost_answer(stage, "reset")


@case("Slack's answer lost", "500 after Slack took the post", FOUND)
def answer_500(stage: Stage) -> None:
    lost_answer(stage, "http", status=500)


@case(
    "Slack's answer lost",
    "no answer ever",
    FOUND,
    slow=True,
)
def answer_never(stage: Stage) -> None:
    lost_answer(stage, "timeout")


@case(
    "Slack's answer too slow",
    "byte by byte, for a minute",
    "Given up after 7 seconds as unclear; the card is found in the channel. Other channels go on meanwhile.",
)
def answer_drips(stage: Stage) -> None:
    stage.slack.fault("chat.postMessage", "drip", seconds=60, times=1)
    with stage.observer():
        assert stage.alert() == 200
        stage.settle()
    assert len(stage.slack.calls("chat.postMessage")) == 1


@case(
    "Slack late",
    "a post is carried out long after it was given up and posted again",
    "Two cards for some minutes; the second look removes the one that the record does not know.",
)
def post_comes_late(stage: Stage) -> None:
    stage.slack.fault("chat.postMessage", "stall", seconds=16, times=1)
    with stage.observer():
        assert stage.alert() == 200
        stage.settle()  # posted again, because the history does not show it
        assert len(stage.cards()) == 1
        stage.wait(lambda: len(stage.cards()) == 2, "the late post")
        stage.look_again()
        assert stage.acknowledge() == 200
        stage.settle()


@case(
    "Slack answers garbage",
    "HTML with status 200, JSON that is not Slack's, 502",
    "The card appears once, as soon as Slack speaks again.",
    slow=True,
)
def garbage(stage: Stage) -> None:
    stage.slack.fault("chat.postMessage", "http", status=200, times=1)
    stage.slack.fault("chat.postMessage", "garbage", times=1)
    stage.slack.fault("chat.postMessage", "http", status=502, times=1)
    with stage.observer():
        assert stage.alert() == 200
        stage.settle()
        stage.slack.fault("chat.update", "garbage", times=1)
        assert stage.acknowledge() == 200
        stage.settle()
        stage.look_again()


@case(
    "Slack away for an hour",
    "503 on every call, while 12 incidents begin and one is acknowledged",
    "Webhooks and /health as always; /ready says how many cards wait. Afterwards each card once, as it is then.",
)
def away_for_an_hour(stage: Stage) -> None:
    stage.slack.fault("*", "http", status=503)
    with stage.observer():
        for minute in range(12):
            assert stage.alert(f"rule-{minute}") == 200
            stage.travel(300)
            time.sleep(0.1)
        assert stage.slack.command("/incident ack 3")["status"] == 200
        waiting = stage.ready()
        assert waiting["code"] == 200
        assert waiting["database"]["waiting_for_slack"]["messages"] == 12
        calls = len(stage.slack.calls("chat.postMessage"))
        assert calls < 12 * 60, "an hour of hammering"
        stage.slack.heal()
        stage.settle()


@case(
    "429 on every call",
    "for five minutes, Retry-After 30",
    "Nothing is called before Retry-After is over; then each card once, critical ones first.",
    slow=True,
)
def limited_for_five_minutes(stage: Stage) -> None:
    stage.slack.fault("*", "ratelimit", retry_after=30)
    with stage.observer():
        for number in range(4):
            severity = "critical" if number == 3 else "warning"
            assert stage.alert(f"rule-{number}", labels={"severity": severity}) == 200
        stage.wait(lambda: len(stage.slack.calls("chat.postMessage")) > 0, "the first call")
        for _ in range(10):
            stage.rest()
            before = len(stage.slack.calls("chat.postMessage"))
            stage.travel(28)
            time.sleep(0.3)
            assert len(stage.slack.calls("chat.postMessage")) == before, "called before Retry-After was over"
            stage.travel(3)
            stage.wait(lambda b=before: len(stage.slack.calls("chat.postMessage")) == b + 1, "one more try")  # type: ignore[misc]
        stage.rest()
        stage.slack.heal()
        stage.travel(31)
        stage.wait(lambda: stage.cards() != [], "the first card")  # no time passes before it is there
        stage.settle()
    assert "Critical" in stage.cards()[0]["text"], [card["text"] for card in stage.cards()]


@case(
    "Channel archived",
    "before the first card",
    """After 5 minutes the card hangs in the fallback channel and says where it belongs and why; /ready names the
    channel. Cards of other channels are not held up.""",
)
def archived_before_the_card(stage: Stage) -> None:
    stage.slack.channel("incidents", is_archived=True)
    with stage.observer(more=policy(stage, ROUTES)):
        assert stage.alert() == 200
        stage.wait(lambda: "is_archived" in str(stage.ready()["slack"]["problems"]), "/ready to name it")
        assert stage.alert("two", labels={"rule": "elsewhere"}) == 200
        stage.wait(lambda: len(stage.cards("random")) == 1, "the card of another channel")
        assert stage.cards("fallback") == []
        stage.travel(400)
        stage.settle()
        (card,) = stage.cards("fallback")
        assert "#incidents" in card["text"]
        assert "#incidents" in stage.ready()["database"]["broken_channels"]
        stage.slack.channel("incidents", is_archived=False)
        assert stage.alert("three") == 200
        stage.settle()
        assert len(stage.cards("incidents")) == 1
        assert stage.ready()["database"]["broken_channels"] == {}


@case(
    "Channel archived",
    "with the card of an open incident in it",
    """At the next change the card moves to the fallback channel (after 5 minutes of refusals). Once the channel is
    back, the old card there is removed.""",
)
def archived_with_a_card(stage: Stage) -> None:
    with stage.observer(more=policy(stage, ROUTES)):
        assert stage.alert() == 200
        stage.settle()
        stage.slack.channel("incidents", is_archived=True)
        stage.slack.fault("chat.delete", "error", error="is_archived")
        assert stage.alert() == 200
        assert stage.acknowledge() == 200
        stage.wait(lambda: "is_archived" in str(stage.ready()["slack"]["problems"]), "/ready to name it")
        stage.travel(400)
        stage.settle()
        assert len(stage.cards("fallback")) == 1
        stage.slack.heal()
        stage.slack.channel("incidents", is_archived=False)
        stage.look_again()
        assert stage.cards("incidents") == []


@case(
    "Bot removed from the channel",
    "with a card in it and a new incident; no fallback is configured, it is SLACK_CHANNEL itself",
    "/ready names the channel; the cards wait and appear when the bot is invited again.",
)
def removed_from_the_channel(stage: Stage) -> None:
    with stage.observer():
        assert stage.alert() == 200
        stage.settle()
        stage.slack.channel("incidents", is_private=True, is_member=False)
        assert stage.alert("two") == 200
        stage.wait(lambda: "channel_not_found" in str(stage.ready()["slack"]["problems"]), "/ready to name it")
        stage.travel(4000)
        time.sleep(0.5)
        assert len(stage.cards()) == 1
        stage.slack.channel("incidents", is_private=False, is_member=True)
        stage.settle()
        assert len(stage.cards()) == 2


@case(
    "Route changed",
    "while a card waits for a channel that is gone",
    "After the restart with the new policy the card goes to the channel that the policy now names, at once.",
)
def route_changed(stage: Stage) -> None:
    gone = '[[routes]]\nmatch = { service = "checkout-api" }\nchannel = "#gone"\n'
    with stage.observer(more=policy(stage, gone)):
        assert stage.alert() == 200
        stage.wait(lambda: "channel_not_found" in str(stage.ready()["slack"]["problems"]), "/ready to name it")
        assert stage.cards() == []
    with stage.observer(more=policy(stage, gone.replace("#gone", "#random"))):
        stage.settle()
    assert len(stage.cards("random")) == 1


def _revoke(stage: Stage) -> None:
    """Slack takes no token any more but "xoxb-renewed", and three cards wait."""
    assert stage.alert() == 200
    stage.settle()
    stage.slack.options(token="xoxb-renewed")
    for number in range(3):
        assert stage.alert(f"rule-{number}") == 200
    stage.wait(lambda: "invalid_auth" in str(stage.ready()["slack"]["problems"].get("token")), "/ready to name it")


@case(
    "Token revoked",
    "while cards wait; then a new one in the file that SLACK_BOT_TOKEN_FILE names",
    "Alerts are recorded as always, and /ready names the token. With the new one every card catches up, no restart.",
)
def token_exchanged(stage: Stage) -> None:
    file = stage.folder / "token"
    file.write_text(f"{TOKEN}\n", "utf-8")
    with stage.observer(more={"SLACK_BOT_TOKEN": "", "SLACK_BOT_TOKEN_FILE": str(file)}):
        _revoke(stage)
        file.write_text("xoxb-renewed\n", "utf-8")
        stage.settle()
        stage.wait(lambda: "token" not in stage.ready()["slack"]["problems"], "/ready to be content again")
        assert stage.acknowledge() == 200
        stage.settle()
    stage.slack.options(token=TOKEN)


@case(
    "Token revoked",
    "for longer than an hour; then a new token and a restart",
    """Alerts are recorded as always; /ready names the token, and Slack is asked about once a minute. With the new
    token every card catches up.""",
    slow=True,
)
def token_revoked(stage: Stage) -> None:
    with stage.observer():
        _revoke(stage)
        before = len(stage.slack.calls())
        for _ in range(60):
            stage.travel(60)
            time.sleep(0.02)
        assert len(stage.slack.calls()) - before < 200
        assert stage.ready()["code"] == 200
    with stage.observer(more={"SLACK_BOT_TOKEN": "xoxb-renewed"}):
        stage.settle()
    stage.slack.options(token=TOKEN)


@case(
    "One channel broken",
    "its posts time out or fail, 8 cards wait for it",
    "Cards of other channels appear at once; those of the broken one when it works again.",
    slow=True,
)
def one_channel_broken(stage: Stage) -> None:
    stage.slack.fault("chat.postMessage", "error", error="internal_error", channel="incidents")
    with stage.observer(more=policy(stage, ROUTES)):
        for number in range(8):
            assert stage.alert(f"rule-{number}") == 200
        for number in range(3):
            assert stage.alert(f"other-{number}", labels={"rule": "elsewhere"}) == 200
        stage.wait(lambda: len(stage.cards("random")) == 3, "the other channel's cards", seconds=30)
        assert stage.cards() == []
        stage.slack.heal()
        stage.settle()


@case(
    "Message deleted by a person",
    "the card of an open incident",
    "At its next change the incident gets a new card; a closed one stays without.",
)
def deleted_by_a_person(stage: Stage) -> None:
    with stage.observer():
        assert stage.alert() == 200
        stage.settle()
        stage.slack.delete(stage.cards()[0])
        assert stage.alert() == 200
        stage.settle()
        (card,) = stage.cards()
        assert card["blocks"]


@case(
    "History unreadable",
    "the scope channels:history is missing, and the answer to a post is lost",
    """A card that is missing is worse than one too many: it is posted again, and /ready names the scope. Once the
    scope is granted, the second look removes the double.""",
    slow=True,
)
def history_unreadable(stage: Stage) -> None:
    stage.slack.options(scopes=["chat:write", "commands", "channels:read", "groups:read"])
    stage.slack.fault("chat.postMessage", "lose", how="close", times=1)
    with stage.observer():
        assert stage.alert() == 200
        stage.settle()
        assert len(stage.cards()) == 2
        assert "missing_scope" in str(stage.ready()["slack"]["problems"])
        stage.slack.options(scopes=["chat:write", "commands", "channels:read", "groups:read", "channels:history"])
        stage.look_again()


@case(
    "Slack's name not found (DNS)",
    "from the start; then it resolves",
    "Webhooks as always; the cards appear once the name resolves.",
)
def no_dns(stage: Stage) -> None:
    with stage.observer(more={"SLACK_API_URL": "http://slack.invalid/api/"}):
        assert stage.alert() == 200
        time.sleep(1.5)
        assert stage.ready()["code"] == 200
    with stage.observer():
        stage.settle()
    assert len(stage.slack.calls("chat.postMessage")) == 1


@case(
    "Signing secret wrong",
    "from the start; then put right",
    "Cards are posted; every click fails plainly (401), changes nothing, and /ready names the secret.",
)
def wrong_signing_secret(stage: Stage) -> None:
    with stage.observer(more={"SLACK_SIGNING_SECRET": "not-the-one-of-the-app"}):
        assert stage.alert() == 200
        stage.settle()
        assert [stage.acknowledge() for _ in range(3)] == [401] * 3
        assert "SLACK_SIGNING_SECRET" in str(stage.ready()["slack"]["problems"])
    assert rows(stage.url, "SELECT status FROM incidents") == [{"status": "active"}]
    with stage.observer():
        assert stage.acknowledge() == 200
        stage.settle()


def policy(stage: Stage, text: str) -> dict[str, str]:
    """The setting that names a policy file with this text."""
    path = stage.folder / "observer.toml"
    path.write_text(text, "utf-8")
    return {"OBSERVER_CONFIG": str(path)}

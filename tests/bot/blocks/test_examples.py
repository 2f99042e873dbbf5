"""What people see in the ordinary cases, in both languages: read these to know the product.

`# ` begins a header, `| ` a field, `> ` small print; `[*…]` is the coloured button, `?` asks first, `(… )` is the menu.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.blocks import card, details, listing, notices
from bot.blocks.help import help_message
from bot.blocks.identifiers import decode
from bot.blocks.message import SlackMessage
from bot.blocks.parts import who
from bot.grammar import NUMBER, Misunderstood, understand
from bot.text import ENGLISH, KOREAN, Words
from bot.text.markup import Mrkdwn, led_by
from db.model.alert import AlertState, Links
from db.model.identity import Actor, ActorKind, person, source
from db.model.incident import (
    Details,
    Event,
    EventKind,
    Filter,
    Firing,
    Incident,
    Listing,
    RecordedAlert,
    Severity,
    Status,
)
from db.model.lifecycle import Action, Already, Changed, Refusal, Refused
from db.model.reason import Reason
from tests.bot.blocks.incidents import (
    ACKNOWLEDGED,
    ACTIVE,
    ALONE,
    BLIND,
    FIRES,
    RESOLVED,
    STALE,
    STARTED,
    UNOBSERVED,
    WAITING,
    an_instance,
)
from tests.bot.blocks.validator import check_message, drawn

AT_00_16 = "<!date^1795220160^{date_short_pretty} {time}|2026-11-21 00:16 UTC>"
AT_00_17 = "<!date^1795220220^{date_short_pretty} {time}|2026-11-21 00:17 UTC>"
AT_00_19 = "<!date^1795220340^{date_short_pretty} {time}|2026-11-21 00:19 UTC>"
AT_00_21 = "<!date^1795220460^{date_short_pretty} {time}|2026-11-21 00:21 UTC>"
AT_00_25 = "<!date^1795220700^{date_short_pretty} {time}|2026-11-21 00:25 UTC>"
AT_01_21 = "<!date^1795224060^{date_short_pretty} {time}|2026-11-21 01:21 UTC>"
ARRIVED_00_16 = led_by("arrived", Mrkdwn(AT_00_16))
AS_OF_00_21 = led_by("As of", Mrkdwn(AT_00_21))
LAST_ALERT_00_21 = led_by("Last alert", Mrkdwn(AT_00_21))
SINCE_00_21 = led_by("since", Mrkdwn(AT_00_21))
SINCE_00_25 = led_by("since", Mrkdwn(AT_00_25))
RULE = "https://grafana.example/alerting/ddx1/view?orgId=1&amp;tab=a"
WIKI = "https://wiki.example/checkout"
DASHBOARD = "https://grafana.example/d/9"
SILENCE = "https://grafana.example/alerting/silence/new?matcher=alertname%3DCheckoutErrors"
ENGLISH_LINKS_OVER = f"<{RULE}|Open in Grafana> · <{WIKI}|Runbook> · <{DASHBOARD}|Dashboard>"
KOREAN_LINKS_OVER = f"<{RULE}|Grafana에서 열기> · <{WIKI}|런북> · <{DASHBOARD}|대시보드>"
ENGLISH_LINKS = f"{ENGLISH_LINKS_OVER} · <{SILENCE}|Silence (all 3)>"
KOREAN_LINKS = f"{KOREAN_LINKS_OVER} · <{SILENCE}|사일런스 (전체 3개)>"

FACTS = f"""| *Service* = checkout · commerce
| *Namespace / Cluster* = payments / prod-eu
| *Environment* = prod
| *Started* = {AT_00_16}
*Firing · 3 of 5*
• pod=c-1 · A=0.12
• pod=c-2 · A=0.06
• pod=c-3"""
KOREAN_FACTS = f"""| *서비스* = checkout · commerce
| *네임스페이스 / 클러스터* = payments / prod-eu
| *환경* = prod
| *시작* = {AT_00_16}
*발생 중 · 3/5*
• pod=c-1 · A=0.12
• pod=c-2 · A=0.06
• pod=c-3"""
BLIND_ENGLISH = (
    "These rules get no data or an error from their data source: their alerts can neither fire nor resolve. "
    "Their open incidents stay open until data is back."
)

CARDS: list[tuple[str, Words, Incident, str, str]] = [
    (
        "active",
        ENGLISH,
        ACTIVE,
        "Critical incident #42: CheckoutErrors is active, nobody has acknowledged it yet. Service: checkout.",
        f"""
# :red_circle: Critical · #42 · CheckoutErrors
| *Status* = Active
| *Service* = checkout · commerce
| *Namespace / Cluster* = payments / prod-eu
| *Environment* = prod
| *Started* = {AT_00_16}
*Firing · 3 of 5*
• pod=c-1 · A=0.12
• pod=c-2 · A=0.06
• pod=c-3
7 % of checkouts fail
{ENGLISH_LINKS}
[*Acknowledge] [Resolve…] [Details]
> Opened by Grafana · {AT_00_17}   {LAST_ALERT_00_21}
""",
    ),
    (
        "acknowledged",
        ENGLISH,
        ACKNOWLEDGED,
        "Critical incident #42: CheckoutErrors is acknowledged, owned by <@U0ANN>. Service: checkout.",
        f"""
# :red_circle: Critical · #42 · CheckoutErrors
| *Status* = Acknowledged
| *Owner* = <@U0ANN>
| *Service* = checkout · commerce
| *Namespace / Cluster* = payments / prod-eu
| *Environment* = prod
| *Started* = {AT_00_16}
*Firing · 3 of 5*
• pod=c-1 · A=0.12
• pod=c-2 · A=0.06
• pod=c-3
7 % of checkouts fail
{ENGLISH_LINKS}
[*Resolve…] [Details] (… Un-acknowledge)
> Acknowledged by <@U0ANN> · {AT_00_19}   {LAST_ALERT_00_21}
""",
    ),
    (
        "resolved",
        ENGLISH,
        RESOLVED,
        "Critical incident #42: CheckoutErrors is resolved. Service: checkout.",
        f"""
# :white_check_mark: Resolved · #42 · CheckoutErrors
| *Status* = :white_check_mark: Resolved // by <@U0BOB> · {AT_01_21}
| *Owner* = <@U0ANN>
| *Severity* = :red_circle: Critical
| *Service* = checkout · commerce
| *Namespace / Cluster* = payments / prod-eu
| *Environment* = prod
| *Started* = {AT_00_16}
| *Duration* = 1 h 5 min
7 % of checkouts fail
*Root cause*
A deploy without its migration
*Action taken*
Rolled back
to 1.4
{ENGLISH_LINKS_OVER}
[Reopen?] [Details]
> Resolved by <@U0BOB> · {AT_01_21}   {LAST_ALERT_00_21}
""",
    ),
    (
        "blind",
        ENGLISH,
        BLIND,
        "Critical incident #42: No data from prometheus-main (3 rules affected) is active, "
        "nobody has acknowledged it yet. Its data source cannot be read.",
        f"""
# :red_circle: :no_entry_sign: Critical · #42 · No data from prometheus-main (3 rules affected)
| *Status* = Active · :no_entry_sign: No data
| *Started* = {AT_00_16}
| *Firing* = 3 of 3
{BLIND_ENGLISH}
*Rules without data*
• Checkout 5xx ratio high
• Kafka consumer lag
• 주문 지연
[*Acknowledge] [Resolve…] [Details]
> Opened by Grafana · {AT_00_17}   {LAST_ALERT_00_21}
""",
    ),
    (
        "unobserved",
        ENGLISH,
        UNOBSERVED,
        "Critical incident #42: CheckoutErrors is active, nobody has acknowledged it yet. Service: checkout. "
        "Its data source cannot be read.",
        f"""
# :red_circle: :no_entry_sign: Critical · No data · #42 · CheckoutErrors
| *Status* = Active · :no_entry_sign: No data
{FACTS}
No data {SINCE_00_21} (prometheus-main, see #7). It may still be firing. \
1 instance stopped reporting; this does not count as recovered.
7 % of checkouts fail
{ENGLISH_LINKS}
[*Acknowledge] [Resolve…] [Details]
> No data: Grafana cannot query prometheus-main · {AT_00_17}   {LAST_ALERT_00_21}
""",
    ),
    (
        "waiting for what fires again",
        ENGLISH,
        WAITING,
        "Critical incident #42: CheckoutErrors is active, nobody has acknowledged it yet. Service: checkout.",
        f"""
# :red_circle: Critical · #42 · CheckoutErrors
| *Status* = Active
{FACTS}
Data is back {SINCE_00_25}. Resolves automatically unless it fires again soon.
7 % of checkouts fail
{ENGLISH_LINKS}
[*Acknowledge] [Resolve…] [Details]
> Data is back (Grafana) · {AT_00_17}   {LAST_ALERT_00_21}
""",
    ),
    (
        "stale",
        ENGLISH,
        STALE,
        "Critical incident #42: CheckoutErrors is acknowledged, owned by <@U0ANN>. Service: checkout.",
        f"""
# :red_circle: Critical · #42 · CheckoutErrors
| *Status* = Acknowledged · :hourglass: Stale
| *Owner* = <@U0ANN>
{FACTS}
No updates {SINCE_00_21}. Check whether it still happens; resolve it if not.
7 % of checkouts fail
{ENGLISH_LINKS}
[*Resolve…] [Details] (… Un-acknowledge)
> No updates for a long time · {AT_00_19}   {LAST_ALERT_00_21}
""",
    ),
    (
        "unobserved in Korean",
        KOREAN,
        UNOBSERVED,
        "인시던트 #42: CheckoutErrors (심각도: 심각). 현재 상태는 '미확인'입니다. 아직 담당자가 없습니다. "
        "서비스: checkout. 데이터 소스를 읽을 수 없습니다.",
        f"""
# :red_circle: :no_entry_sign: 심각 · 관측 불가 · #42 · CheckoutErrors
| *상태* = 미확인 · :no_entry_sign: 관측 불가
{KOREAN_FACTS}
{AT_00_21}부터 관측할 수 없습니다 (데이터 소스: prometheus-main, #7 참고). \
지금도 문제가 계속되는지 알 수 없습니다. 그동안 인스턴스 1개의 알림이 끊겼지만 복구로 처리하지 않습니다.
7 % of checkouts fail
{KOREAN_LINKS}
[*확인] [해결…] [자세히]
> 더 이상 관측할 수 없습니다 (Grafana, 데이터 소스: prometheus-main) · {AT_00_17}   마지막 알림 {AT_00_21}
""",
    ),
    (
        "active in Korean",
        KOREAN,
        ACTIVE,
        "인시던트 #42: CheckoutErrors (심각도: 심각). 현재 상태는 '미확인'입니다. 아직 담당자가 없습니다. "
        "서비스: checkout.",
        f"""
# :red_circle: 심각 · #42 · CheckoutErrors
| *상태* = 미확인
| *서비스* = checkout · commerce
| *네임스페이스 / 클러스터* = payments / prod-eu
| *환경* = prod
| *시작* = {AT_00_16}
*발생 중 · 3/5*
• pod=c-1 · A=0.12
• pod=c-2 · A=0.06
• pod=c-3
7 % of checkouts fail
{KOREAN_LINKS}
[*확인] [해결…] [자세히]
> Grafana 알림으로 인시던트가 생성되었습니다 · {AT_00_17}   마지막 알림 {AT_00_21}
""",
    ),
    (
        "acknowledged in Korean",
        KOREAN,
        ACKNOWLEDGED,
        "인시던트 #42: CheckoutErrors (심각도: 심각). 현재 상태는 '확인됨'입니다. 담당자는 <@U0ANN> 님입니다. "
        "서비스: checkout.",
        f"""
# :red_circle: 심각 · #42 · CheckoutErrors
| *상태* = 확인됨
| *담당자* = <@U0ANN> 님
| *서비스* = checkout · commerce
| *네임스페이스 / 클러스터* = payments / prod-eu
| *환경* = prod
| *시작* = {AT_00_16}
*발생 중 · 3/5*
• pod=c-1 · A=0.12
• pod=c-2 · A=0.06
• pod=c-3
7 % of checkouts fail
{KOREAN_LINKS}
[*해결…] [자세히] (… 확인 취소)
> <@U0ANN> 님이 확인했습니다 · {AT_00_19}   마지막 알림 {AT_00_21}
""",
    ),
    (
        "resolved in Korean",
        KOREAN,
        RESOLVED,
        "인시던트 #42: CheckoutErrors (심각도: 심각). 현재 상태는 '해결됨'입니다. 서비스: checkout.",
        f"""
# :white_check_mark: 해결됨 · #42 · CheckoutErrors
| *상태* = :white_check_mark: 해결됨 // <@U0BOB> 님 · {AT_01_21}
| *담당자* = <@U0ANN> 님
| *심각도* = :red_circle: 심각
| *서비스* = checkout · commerce
| *네임스페이스 / 클러스터* = payments / prod-eu
| *환경* = prod
| *시작* = {AT_00_16}
| *소요 시간* = 1시간 5분
7 % of checkouts fail
*근본 원인*
A deploy without its migration
*조치 내용*
Rolled back
to 1.4
{KOREAN_LINKS_OVER}
[다시 열기?] [자세히]
> <@U0BOB> 님이 해결했습니다 · {AT_01_21}   마지막 알림 {AT_00_21}
""",
    ),
]


@pytest.mark.parametrize(
    ("words", "incident", "text", "look"), [case[1:] for case in CARDS], ids=[case[0] for case in CARDS]
)
def test_the_card(words: Words, incident: Incident, text: str, look: str) -> None:
    message = card.incident_card(incident, words)
    check_message(message)
    assert message.text == text
    assert drawn(message) == look.strip()


def test_what_is_not_known_is_left_out() -> None:
    bare = replace(
        ACTIVE, number=0, parts=replace(ACTIVE.parts, cluster="", namespace="", service="", phase=""), summary="",
        title="\u200b", service_category="", source="", first_values="", last_values="", links=Links(), fires=Firing(),
        instances_total=0, last_change="", severity=Severity.INFO,
    )  # fmt: skip
    message = card.incident_card(bare, ENGLISH)
    check_message(message)
    assert message.text == "Info incident Untitled incident is active, nobody has acknowledged it yet."
    assert drawn(message) == (
        "# :large_blue_circle: Info · Untitled incident\n"
        "| *Status* = Active\n"
        f"| *Started* = {AT_00_16}\n"
        "[*Acknowledge] [Resolve…] [Details]\n"
        f"> {LAST_ALERT_00_21}"
    )


def test_an_incident_that_resolved_by_itself_says_so() -> None:
    message = card.incident_card(
        replace(
            RESOLVED,
            resolved_by=source("grafana"),
            last_change_by=source("grafana"),
            last_change_why=Reason.ALL_RECOVERED,
        ),
        ENGLISH,
    )
    assert "Resolved automatically: all alerts recovered (Grafana)" in drawn(message)


def test_the_beliefs_of_yesterday_are_not_on_the_card_of_a_reopened_incident() -> None:
    reopened = replace(RESOLVED, status=Status.ACTIVE, resolved_time=None, resolved_by=None)
    assert "A deploy without" not in drawn(card.incident_card(reopened, ENGLISH))
    assert "A deploy without" in drawn(
        details.incident_details(Details(incident=reopened, alerts=(), events=()), ENGLISH)
    )


def test_what_is_no_address_is_shown_as_the_text_it_is() -> None:
    links = Links(runbook="wiki.example/runbooks/x", dashboard="<!channel> *see*\n`wiki`", panel="javascript:alert(1)")
    look = drawn(card.incident_card(replace(ACTIVE, links=links, fires=Firing()), ENGLISH))
    assert "Runbook: wiki.example/runbooks/x · Dashboard: &lt;!channel&gt; ∗see∗ ˋwikiˋ · " in look
    assert "Panel: javascript:alert(1)" in look
    assert "런북: wiki.example/runbooks/x" in drawn(
        card.incident_card(replace(ACTIVE, links=links, fires=Firing()), KOREAN)
    )


def test_equal_values_are_said_once() -> None:
    alone = replace(ALONE, instances=(replace(ALONE.instances[0], last_values="A=0.07"),))
    assert "| *Values* = A=0.07" in drawn(card.incident_card(replace(ACTIVE, fires=alone), ENGLISH))


def test_one_instance_that_fires_is_told_with_its_own_first_and_latest_values() -> None:
    shown = drawn(card.incident_card(replace(ACTIVE, fires=ALONE, instances_firing=1), ENGLISH))
    assert "| *Values* = First: A=0.07 // Latest: A=0.12" in shown
    assert "*Firing*\n" not in shown
    assert f"<{SILENCE}|Silence>" in shown


def test_of_many_that_fire_a_card_names_five() -> None:
    many = replace(FIRES, instances=tuple(an_instance(f"c-{number}", "", "A=1") for number in range(100)))
    shown = drawn(card.incident_card(replace(ACTIVE, fires=many, instances_firing=100, instances_total=100), ENGLISH))
    assert "• pod=c-4 · A=1\nand 95 more" in shown
    assert "pod=c-5 " not in shown


def test_a_resolved_card_says_what_still_fires_at_its_source() -> None:
    resolved = replace(RESOLVED, instances_firing=2)
    assert ":warning: 2 instances still firing at the source." in drawn(card.incident_card(resolved, ENGLISH))
    assert "# :warning: Resolved · #42" in drawn(card.incident_card(resolved, ENGLISH)), "no tick"
    assert ":warning: 소스에서 인스턴스 2개가 아직 발생 중입니다." in drawn(card.incident_card(resolved, KOREAN))


def test_a_card_tells_of_what_fires_in_resolved_incidents_of_its_key() -> None:
    shown = drawn(card.incident_card(replace(ACTIVE, fires=replace(ALONE, elsewhere=1)), ENGLISH))
    assert "1 more instance of the same rule and service still firing in resolved incidents" in shown


def test_what_was_noted_can_be_read_in_full_in_the_details() -> None:
    long = "\n".join(f"{number}. restarted it" for number in range(150))
    shown = drawn(
        details.incident_details(Details(incident=replace(RESOLVED, action_taken=long), alerts=(), events=()), ENGLISH)
    )
    assert "149. restarted it" in shown


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (ENGLISH, "Meant for `#pay&amp;ments`, which I cannot post in: `is_archived`."),
        (KOREAN, "원래 채널 `#pay&amp;ments`에 게시할 수 없어 여기에 표시합니다: `is_archived`"),
    ],
    ids=["en", "ko"],
)
def test_a_card_that_hangs_elsewhere_says_where_it_belongs_and_why(words: Words, reason: str) -> None:
    message = card.incident_card(ACTIVE, words, moved=card.Moved("#pay&ments", "is_archived"))
    check_message(message)
    assert drawn(message).endswith(f"> :warning: {reason}")
    assert reason in message.text, "screen readers read only that"


def test_every_block_id_changes_with_the_version() -> None:
    before = {block["block_id"] for block in card.incident_card(ACTIVE, ENGLISH).blocks}
    after = {block["block_id"] for block in card.incident_card(replace(ACTIVE, version=2), ENGLISH).blocks}
    assert not before & after


def test_buttons_say_incident_and_version() -> None:
    row = card.incident_card(ACKNOWLEDGED, ENGLISH).blocks[-2]["elements"]
    assert isinstance(row, list)
    resolve, show, more = row
    assert (resolve["action_id"], show["action_id"], more["action_id"]) == (
        "incident_resolve",
        "incident_show",
        "incident_more",
    )
    value = decode(more["options"][0]["value"])
    assert (value.action, value.incident_id, value.version) == ("unacknowledge", ACKNOWLEDGED.incident_id, 2)
    assert resolve["accessibility_label"] == "Resolve #42 CheckoutErrors"


EVENTS: list[tuple[EventKind, Actor, str, dict[str, str | int], str, str]] = [
    (EventKind.OPENED, source("grafana"), "", {"instances": 1}, "Opened by Grafana: 1 instance firing",
     "Grafana 알림으로 인시던트가 생성되었습니다 (발생 중인 인스턴스 1개)"),
    (EventKind.OPENED, source("alertmanager"), "resolved_unseen", {"instances": 1},
     "Recorded from Alertmanager: it was over before we heard of it",
     "이미 해결된 상태로 접수되었습니다 (Alertmanager)"),
    (EventKind.JOINED, source("grafana"), "", {"instances": 2}, "2 more instances started firing (Grafana)",
     "인스턴스 2개에서 추가로 알림이 발생했습니다 (Grafana)"),
    (EventKind.PARTLY_RESOLVED, source("grafana"), "", {"instances": 1},
     "1 instance recovered, others still fire (Grafana)",
     "인스턴스 1개가 복구되었고, 나머지는 계속 발생 중입니다 (Grafana)"),
    (EventKind.SEVERITY_RAISED, source("grafana"), "", {"severity": "critical"},
     "Severity raised to Critical by Grafana",
     "Grafana에서 심각도를 높였습니다 → 심각"),
    (EventKind.BLIND, source("grafana"), "", {"on": "prometheus", "incident": "INC-1"},
     "No data: Grafana cannot query prometheus",
     "더 이상 관측할 수 없습니다 (Grafana, 데이터 소스: prometheus)"),
    (EventKind.BLIND, source("grafana"), "", {}, "No data: Grafana cannot read its data source",
     "더 이상 관측할 수 없습니다. Grafana에서 데이터를 읽지 못하고 있습니다"),
    (EventKind.SIGHT_RESTORED, source("grafana"), "", {}, "Data is back (Grafana)",
     "다시 관측할 수 있습니다. Grafana에서 데이터를 읽고 있습니다"),
    (EventKind.HELD, source("grafana"), "resolve_while_blind", {"instances": 2},
     "2 instances stopped reporting without data; this does not count as recovered (Grafana)",
     "데이터가 없는 동안 인스턴스 2개가 보고를 멈췄지만 복구로 처리하지 않습니다 (Grafana)"),
    (EventKind.RESOLVED, Actor(ActorKind.OBSERVER, "blind"), "recovered_while_blind", {"instances": 2},
     "Resolved automatically: data is back, and nothing fires",
     "다시 관측할 수 있게 된 뒤 발생하지 않아 자동으로 해결되었습니다"),
    (EventKind.PARTLY_RESOLVED, Actor(ActorKind.OBSERVER, "blind"), "recovered_while_blind", {"instances": 1},
     "1 instance recovered while there was no data, others still fire",
     "관측할 수 없는 동안 인스턴스 1개가 복구되었고, 나머지는 계속 발생 중입니다"),
    (EventKind.REOPENED, source("grafana"), "resolved_while_blind", {"instances": 1},
     "Reopened: the data was lost just as it resolved, so it may not have recovered (Grafana)",
     "해결과 동시에 관측할 수 없게 되어, 복구로 보지 않고 다시 열었습니다 (Grafana)"),
    (EventKind.STALE, Actor(ActorKind.OBSERVER, "stale"), "", {"hours": 25}, "No updates for 25 h",
     "25시간 동안 알림이 수신되지 않았습니다"),
    (EventKind.HEARD_AGAIN, source("grafana"), "", {}, "Updates are back (Grafana)",
     "알림이 다시 수신되었습니다 (Grafana)"),
    (EventKind.ACKNOWLEDGED, person("U0ANN"), "", {}, "Acknowledged by <@U0ANN>", "<@U0ANN> 님이 확인했습니다"),
    (EventKind.UNACKNOWLEDGED, person("U0ANN"), "", {}, "Un-acknowledged by <@U0ANN>",
     "<@U0ANN> 님이 확인을 취소했습니다"),
    (EventKind.RESOLVED, person("U0BOB"), "", {}, "Resolved by <@U0BOB>", "<@U0BOB> 님이 해결했습니다"),
    (EventKind.RESOLVED, source("grafana"), "all_instances_resolved", {},
     "Resolved automatically: all alerts recovered (Grafana)", "모두 복구되어 자동으로 해결되었습니다 (Grafana)"),
    (EventKind.REOPENED, person("U0BOB"), "", {}, "Reopened by <@U0BOB>", "<@U0BOB> 님이 다시 열었습니다"),
    (EventKind.REOPENED, source("grafana"), "new_occurrence_in_window", {"instances": 1},
     "Reopened: it fired again soon after (Grafana)", "해결 직후 다시 발생하여 인시던트가 다시 열렸습니다 (Grafana)"),
    (EventKind.NOTED, person("U0BOB"), "", {}, "Notes added by <@U0BOB>", "<@U0BOB> 님이 메모를 추가했습니다"),
    (EventKind.REPAIRED, Actor(ActorKind.OBSERVER, "check"), "", {"what": "alert_count", "was": "4", "is": "1"},
     "A counter of this incident was corrected",
     "이 인시던트의 잘못된 집계를 바로잡았습니다"),
    (EventKind.TRUNCATED, source("grafana"), "", {"alerts": 7},
     "Grafana left out 7 alerts (its limit of alerts per message)",
     "알림 7건이 잘려서 받지 못했습니다 (Grafana)"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "actor", "reason", "about", "english", "korean"), EVENTS)
def test_a_line_of_the_timeline(
    kind: EventKind, actor: Actor, reason: str, about: dict[str, str | int], english: str, korean: str
) -> None:
    event = Event(
        incident_id=ACTIVE.incident_id, at=STARTED, kind=kind, actor=actor, reason=Reason(reason), details=about
    )
    for words, line in ((ENGLISH, english), (KOREAN, korean)):
        message = details.incident_details(Details(incident=ACTIVE, alerts=(), events=(event,)), words)
        check_message(message)
        assert f"• {AT_00_16} · {line}" in drawn(message).split("\n")


def test_every_kind_of_event_has_an_example() -> None:
    assert {case[0] for case in EVENTS} == set(EventKind)


def test_details_have_alerts_timeline_and_a_way_to_share_them() -> None:
    shown = Details(
        incident=ACTIVE,
        alerts=tuple(
            RecordedAlert(
                alert_id=number,
                received_at=STARTED + timedelta(minutes=5),
                state=AlertState.RESOLVED if number == 9 else AlertState.FIRING,
                alertname="CheckoutErrors",
                message=f"value {number}",
                fingerprint="f",
            )
            for number in range(9, 2, -1)
        ),
        events=(),
    )
    message = details.incident_details(shown, ENGLISH)
    check_message(message)
    lines = drawn(message).split("\n")
    assert lines[lines.index("*Latest alerts*") + 1] == f"• {AT_00_21} · resolved · CheckoutErrors — value 9"
    assert sum(line.startswith(f"• {AT_00_21}") for line in lines) == 5
    assert "[*Acknowledge] [Resolve…] [Share in channel]" in lines
    assert f"> ID: `{ACTIVE.incident_id}`" in lines
    shared = details.incident_details(
        shown, ENGLISH, ephemeral=False, shared_by=who(person("U0ANN")), as_of=datetime.fromtimestamp(1795220460, UTC)
    )
    assert "[" not in drawn(shared), "nobody keeps it up to date: a button would be a lie some day"
    assert f"> ID: `{ACTIVE.incident_id}`   Shared by <@U0ANN>   {AS_OF_00_21}" in drawn(shared).split("\n")
    assert "기준 시각" in drawn(details.incident_details(shown, KOREAN, ephemeral=False, as_of=STARTED))


def test_the_list() -> None:
    message = listing.incident_list(Listing(incidents=(ACTIVE, RESOLVED), total=12, filter=Filter()), ENGLISH)
    check_message(message)
    assert message.text == (
        "12 open incidents: #42 CheckoutErrors, Critical, Active; #42 CheckoutErrors, Critical, Resolved."
    )
    assert drawn(message) == (
        "# 12 open incidents\n"
        ":red_circle: *#42 CheckoutErrors*\n"
        f"Critical · Active · checkout · payments · prod-eu · Firing 3 of 5 · {AT_00_16}\n"
        "[Show]\n"
        ":red_circle: *#42 CheckoutErrors*\n"
        f"Critical · :white_check_mark: Resolved · <@U0ANN> · checkout · payments · prod-eu · {AT_00_16}\n"
        "[Show]\n"
        "> Showing the 2 most urgent of 12. To see others, narrow the list down: "
        "`/incident list severity:critical service:…`"
    )


@pytest.mark.parametrize(
    ("words", "found", "text"),
    [
        (ENGLISH, Filter(), "No open incidents. 🌱"),
        (KOREAN, Filter(), "진행 중인 인시던트가 없습니다. 🌱"),
        (ENGLISH, Filter(cluster="x"), "No incident matches this."),
        (KOREAN, Filter(cluster="x"), "조건에 맞는 인시던트가 없습니다."),
    ],
)
def test_an_empty_list_is_kind(words: Words, found: Filter, text: str) -> None:
    message = listing.incident_list(Listing(incidents=(), total=0, filter=found), words)
    check_message(message)
    assert message.text == drawn(message) == text


OTHER = replace(ACTIVE, number=43)
NOTED = Event(incident_id=ACTIVE.incident_id, at=STARTED, kind=EventKind.NOTED, actor=person("U0ANN"))

ANSWERS: list[tuple[SlackMessage, str]] = [
    (notices.already(Already(ACKNOWLEDGED, person("U0ANN"), STARTED), Action.ACKNOWLEDGE, ENGLISH),
     f"#42 CheckoutErrors was already acknowledged by <@U0ANN> ({AT_00_16}). Nothing was changed."),
    (notices.already(Already(ACKNOWLEDGED, person("U0ANN"), STARTED), Action.ACKNOWLEDGE, KOREAN),
     f"이미 확인된 인시던트입니다: #42 CheckoutErrors (<@U0ANN> 님, {AT_00_16}). 변경된 내용은 없습니다."),
    (notices.already(Already(RESOLVED, source("grafana"), STARTED), Action.RESOLVE, ENGLISH),
     f"#42 CheckoutErrors was already resolved by Grafana ({AT_00_16})."),
    (notices.already(Already(RESOLVED, None, None, NOTED), Action.RESOLVE, ENGLISH),
     "#42 CheckoutErrors was already resolved. Your notes were added to the incident."),
    (notices.already(Already(ACTIVE, None, None), Action.UNACKNOWLEDGE, ENGLISH),
     "#42 CheckoutErrors is active and has no owner: it is not acknowledged."),
    (notices.already(Already(ACTIVE, None, None), Action.REOPEN, ENGLISH),
     "#42 CheckoutErrors is open already. Nothing was changed."),
    (notices.refused(Refused(Refusal.OTHER_OPEN, RESOLVED, OTHER), Action.REOPEN, ENGLISH),
     "#42 CheckoutErrors was not reopened: #43 CheckoutErrors is already open for the same rule and service. "
     "Continue there."),
    (notices.refused(Refused(Refusal.RESOLVED, RESOLVED), Action.ACKNOWLEDGE, ENGLISH),
     "#42 CheckoutErrors is resolved. To acknowledge it, reopen it first."),
    (notices.refused(Refused(Refusal.NOT_FOUND), Action.RESOLVE, ENGLISH, reference=7), "There is no incident #7."),
    (notices.not_found(ACTIVE.incident_id, ENGLISH), f"There is no incident `{ACTIVE.incident_id}`."),
    (notices.refused(Refused(Refusal.NOT_ALLOWED), Action.RESOLVE, ENGLISH),
     "You are not allowed to change incidents. Nothing was changed."),
    (notices.changed(Changed(ACKNOWLEDGED, NOTED), Action.ACKNOWLEDGE, ENGLISH),
     "#42 CheckoutErrors is acknowledged. You are the owner now."),
    (notices.database_away(ENGLISH),
     "The database cannot be reached. Nothing was changed. Please try again in a moment."),
    (notices.database_away(KOREAN),
     "데이터베이스에 연결할 수 없습니다. 변경된 내용은 없습니다. 잠시 후 다시 시도해 주세요."),
    (notices.test_received(ENGLISH, contact_point="slack-<prod>", source="grafana", at=STARTED),
     ":test_tube: *Test received*\n"
     f"A test alert from the contact point *slack-&lt;prod&gt;* in Grafana {ARRIVED_00_16}.\n"
     "> The source reaches Observer, and Observer can post here. No incident was opened."),
    (notices.test_received(KOREAN, contact_point="", source="grafana", at=STARTED),
     ":test_tube: *테스트 알림 수신*\n"
     f"Grafana에서 보낸 테스트 알림을 받았습니다 ({AT_00_16}).\n"
     "> 알림이 정상적으로 전달되었습니다. 인시던트는 열리지 않았습니다."),
]  # fmt: skip


@pytest.mark.parametrize(("message", "look"), ANSWERS)
def test_an_answer(message: SlackMessage, look: str) -> None:
    check_message(message)
    assert drawn(message) == look


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("reslove 42", "Unknown command `reslove`.\nDid you mean `/incident resolve 42`?"),
        ("ack", "Which incident? `ack` needs its number.\nDid you mean `/incident ack NUMBER`?"),
        ("show it", "`it` is not the number of an incident or an id such as `INC-…`.\n"
                    "Did you mean `/incident show NUMBER`?"),
        ("list sevrity:critical", "There is no filter `sevrity:`. Filters are `status:`, `severity:`, `cluster:`, "
                                  "`namespace:`, `service:`.\nDid you mean `/incident list severity:critical`?"),
        ("list severity:critcal", "`severity:` cannot be `critcal`. It can be `critical`, `high`, `warning`, `info`.\n"
                                 "Did you mean `/incident list severity:critical`?"),
        ("list cluster:", "The filter `cluster:` needs a value.\nDid you mean `/incident list cluster:checkout`?"),
        ("ack 42 now", "`now` at the end is not understood.\nDid you mean `/incident ack 42`?"),
    ],
)  # fmt: skip
def test_a_misunderstanding_names_the_nearest_right_form(typed: str, answer: str) -> None:
    wrong = understand(typed)
    assert isinstance(wrong, Misunderstood)
    for words in (ENGLISH, KOREAN):
        check_message(notices.misunderstood(wrong, words))
    assert drawn(notices.misunderstood(wrong, ENGLISH)) == answer


@pytest.mark.parametrize("words", [ENGLISH, KOREAN], ids=["en", "ko"])
def test_what_is_near_to_nothing_gets_the_help(words: Words) -> None:
    wrong = understand("<frob&nicate`>")
    assert isinstance(wrong, Misunderstood)
    message = notices.misunderstood(wrong, words)
    check_message(message)
    assert drawn(message).endswith(drawn(help_message(words)))
    assert "`&lt;frob&amp;nicateˋ&gt;`" in drawn(message)


@pytest.mark.parametrize("words", [ENGLISH, KOREAN], ids=["en", "ko"])
def test_every_form_in_the_help_is_understood(words: Words) -> None:
    message = help_message(words, "/oncall", Mrkdwn("hint"))
    check_message(message)
    forms = [line.split("`")[1] for line in drawn(message).split("\n") if line.startswith("• `")]
    assert len(forms) == 8
    for form in forms:
        assert form.startswith("/oncall")
        assert not isinstance(understand(form.removeprefix("/oncall").replace(NUMBER, "42")), Misunderstood), form
    filters = drawn(message).split("\n")[-1].split("`")[1::2]
    assert not isinstance(understand("list " + " ".join(filters)), Misunderstood)

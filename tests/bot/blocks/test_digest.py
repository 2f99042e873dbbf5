"""Digests: what people see of a storm and of a group, and that Slack takes them whatever is in the record."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.blocks.card import incident_card
from bot.blocks.digest import (
    GROUP_ROWS,
    ROWS,
    bulk_done,
    bulk_under_way,
    digest_gone,
    digest_message,
    group_list,
    group_note,
    incident_page,
)
from bot.blocks.identifiers import DigestAction, decode_digest
from bot.blocks.message import SlackMessage
from bot.text import ENGLISH, KOREAN, Words
from bot.text.digests import Hindrance
from bot.text.markup import Mrkdwn, led_by
from bot.text.words import Who
from db.model.incident import Severity, Status
from db.model.lifecycle import Action
from db.model.storm import EVERYTHING, Digest, DigestKind, Overview, Page, Tally, grouped, whole
from tests.bot.blocks.incidents import ACKNOWLEDGED, ACTIVE, HOSTILE, RESOLVED, STARTED, texts
from tests.bot.blocks.validator import check_message, drawn, markup_of

BEGAN = "<!date^1795220160^{date_short_pretty} {time}|2026-11-21 00:16 UTC>"
AS_OF = "<!date^1795220340^{date_short_pretty} {time}|2026-11-21 00:19 UTC>"
CRITICAL = (Severity.CRITICAL,)

both = pytest.mark.parametrize("words", [ENGLISH, KOREAN], ids=["en", "ko"])
thorough = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

STORM = Digest(
    digest_id=7,
    kind=DigestKind.STORM,
    channel="#incidents",
    rule="storm",
    shared={},
    at_least=10,
    window_seconds=60,
    message_id=3,
    since=STARTED,
    began_at=STARTED,
    busy_at=STARTED,
    scanned_at=STARTED,
    refreshed_at=STARTED,
)
GROUP = replace(STORM, kind=DigestKind.RELATED, rule="groups[0]", shared={"cluster": "prod-eu"}, window_seconds=600)


def tally(service: str, cluster: str, severity: str, status: str, count: int) -> Tally:
    return Tally(
        service=service, cluster=cluster, severity=Severity(severity), status=Status(status), count=count
    )  # fmt: skip


TALLIES = (
    tally("search", "prod-eu", "warning", "active", 30),
    tally("search", "prod-eu", "warning", "acknowledged", 2),
    tally("checkout", "prod-eu", "critical", "active", 1),
    tally("checkout", "prod-us", "warning", "resolved", 1200),
)


def overview(digest: Digest = STORM, tallies: tuple[Tally, ...] = TALLIES, **more: object) -> Overview:
    fields: dict[str, object] = {
        "digest": digest,
        "version": 9,
        "whole": whole(tallies),
        "groups": grouped(tallies),
        "members": (),
        "own_cards": 1,
        "as_of": STARTED + timedelta(minutes=3),
        "running": 1,
        **more,
    }
    return Overview(**fields)  # type: ignore[arg-type]  # the fields are named above


def shown(message: SlackMessage) -> str:
    check_message(message)
    return drawn(message)


def test_a_storm_in_english() -> None:
    message = digest_message(overview(), ENGLISH, CRITICAL)
    assert (
        shown(message)
        == f"""\
# :zap: Alert storm · 1,233 incidents
*31 active, 2 acknowledged, 1,200 resolved* · 1 with a card of its own
:red_circle: Critical 1   :large_yellow_circle: Warning 32
> More than 10 new incidents within 1 min in this channel. Critical ones get their own card at once, the others are \
shown here. When it is over, the worst that nobody has acknowledged get their own card.
*checkout · prod-eu*
1 active — :red_circle: Critical 1
[*Acknowledge?] [Resolve?]
*search · prod-eu*
30 active, 2 acknowledged — :large_yellow_circle: Warning 32
[*Acknowledge all 30?] [Resolve all 32?]
:white_check_mark: checkout · prod-us · *1,200 resolved*
[Show all]
> {led_by("Started", Mrkdwn(BEGAN))}   {led_by("As of", Mrkdwn(AS_OF))}"""
    )
    assert message.text == (
        "Alert storm · 1,233 incidents. 31 active, 2 acknowledged, 1,200 resolved. "
        "checkout · prod-eu: 1 active; search · prod-eu: 30 active, 2 acknowledged"
    )


def test_a_storm_in_korean() -> None:
    assert (
        shown(digest_message(overview(), KOREAN, CRITICAL))
        == f"""\
# :zap: 알림 폭주 · 인시던트 1,233건
*미확인 31건, 확인됨 2건, 해결됨 1,200건* · 개별 카드 1건
:red_circle: 심각 1   :large_yellow_circle: 경고 32
> 이 채널에 1분 안에 10건이 넘는 새 인시던트가 발생했습니다. 심각도가 심각인 인시던트는 바로 카드로, 나머지는 여기에 \
모아서 표시합니다. 폭주가 끝나면 아무도 확인하지 않은 가장 급한 인시던트의 카드를 게시합니다.
*checkout · prod-eu*
미확인 1건 — :red_circle: 심각 1
[*확인?] [해결?]
*search · prod-eu*
미확인 30건, 확인됨 2건 — :large_yellow_circle: 경고 32
[*30건 모두 확인?] [32건 모두 해결?]
:white_check_mark: checkout · prod-us · *해결됨 1,200건*
[전체 보기]
> 시작 {BEGAN}   기준 시각 {AS_OF}"""
    )


def test_a_storm_that_is_over_asks_nothing_of_anybody() -> None:
    over = overview(replace(STORM, ended_at=STARTED + timedelta(minutes=6)))
    text = shown(digest_message(over, ENGLISH, CRITICAL))
    assert "# :zap: Storm over · 1,233 incidents" in text, "no tick while something is open"
    assert (
        "> It lasted 6 min. 33 are still open and shown here. At most 10 Critical and High ones that nobody has "
        "acknowledged get their own card."
    ) in text
    assert "Acknowledge" not in text
    assert "[Show all]" in text


@both
@pytest.mark.parametrize("digest", [STORM, GROUP])
def test_a_digest_that_is_over_has_a_tick_once_nothing_is_open(words: Words, digest: Digest) -> None:
    ended = replace(digest, ended_at=STARTED + timedelta(minutes=6))
    closed = (tally("checkout", "prod-us", "warning", "resolved", 4),)
    assert shown(digest_message(overview(ended, closed), words, CRITICAL)).startswith("# :white_check_mark:")
    for status in ("active", "acknowledged"):
        rest = (*closed, tally("search", "prod-eu", "info", status, 1))
        assert ":white_check_mark:" not in shown(digest_message(overview(ended, rest), words, CRITICAL)).split("\n")[0]


def test_a_group_names_its_members_and_why_they_are_one() -> None:
    tallies = (
        tally("checkout", "prod-eu", "critical", "active", 1),
        tally("checkout", "prod-eu", "critical", "acknowledged", 1),
    )
    text = shown(digest_message(overview(GROUP, tallies, members=(ACTIVE, ACKNOWLEDGED)), ENGLISH, CRITICAL))
    assert (
        text
        == f"""\
# :link: 2 incidents with the same cluster prod-eu
*1 active, 1 acknowledged* · 1 with a card of its own
:red_circle: Critical 2
> They share cluster prod-eu within 10 min (rule `groups[0]` of the policy file).
:red_circle: *#42 CheckoutErrors* · Critical · Active · checkout · prod-eu
:red_circle: *#42 CheckoutErrors* · Critical · Acknowledged · <@U0ANN> · checkout · prod-eu
[*Acknowledge?] [Resolve all 2?] [Show all]
> {led_by("Started", Mrkdwn(BEGAN))}   {led_by("As of", Mrkdwn(AS_OF))}"""
    )


def test_the_card_of_a_member_names_the_group() -> None:
    message = incident_card(ACTIVE, ENGLISH, group_note(GROUP, ENGLISH))
    assert ":link: Part of a group: same cluster prod-eu" in shown(message)
    assert "연관 인시던트 그룹에 포함됨: 클러스터 prod-eu" in shown(
        incident_card(ACTIVE, KOREAN, group_note(GROUP, KOREAN))
    )


def test_the_most_urgent_groups_have_the_buttons_and_the_rest_is_counted() -> None:
    many = tuple(tally(f"service-{number:03}", "prod", "warning", "active", 100 - number) for number in range(60))
    many += (tally("zzz", "prod", "critical", "active", 1),)
    message = digest_message(overview(tallies=many), ENGLISH, CRITICAL)
    text = shown(message)
    assert text.index("zzz · prod") < text.index("service-000 · prod") < text.index("service-001 · prod")
    assert "more groups with" in text
    values = [
        decode_digest(element["value"])
        for block in message.blocks
        if block["type"] == "actions"
        for element in block["elements"]  # type: ignore[attr-defined]
    ]
    assert sum(value.action is DigestAction.RESOLVE for value in values) >= 3
    assert all(value.digest_id == 7 for value in values)


@both
def test_lists_are_pages_and_lead_to_each_other(words: Words) -> None:
    many = tuple(tally(f"service-{number:03}", "prod", "warning", "active", 100) for number in range(40))
    first, second = group_list(overview(tallies=many), words, 0), group_list(overview(tallies=many), words, GROUP_ROWS)
    for message in (first, second):
        check_message(message)
        assert sum("accessory" in block for block in message.blocks) == GROUP_ROWS
    page = tuple(replace(ACTIVE, number=number, title="T" * 200) for number in range(ROWS))
    listed = incident_page(Page(STORM, whole(many), page, 50), words)
    check_message(listed)
    buttons = [
        decode_digest(element["value"])
        for block in listed.blocks
        if block["type"] == "actions" and block["block_id"] == "turn"
        for element in block["elements"]  # type: ignore[attr-defined]
    ]
    assert [button.offset for button in buttons] == [25, 75]
    assert {button.group for button in buttons} == {EVERYTHING}


def test_a_page_behind_the_last_one_says_so() -> None:
    assert "There is nothing more to show." in shown(
        incident_page(Page(STORM, whole(TALLIES), (), 5000), ENGLISH)
    )  # fmt: skip


DONE = [
    (
        ENGLISH, Action.ACKNOWLEDGE, (41, {Who(Mrkdwn("<@U1>"), is_person=True): 1}, 2), 0,
        "Acknowledged 41 incidents of *search · prod-eu*. 1 was acknowledged already, by <@U1>. "
        "2 are resolved and stayed so.",
    ),
    (
        ENGLISH, Action.RESOLVE,
        (0, {Who(Mrkdwn("<@U1>"), is_person=True): 1, Who(Mrkdwn("Grafana"), is_person=False): 40}, 0), 0,
        "Nothing changed in *search · prod-eu*. 41 were resolved already, by Grafana (40), <@U1> (1).",
    ),
    (
        ENGLISH, Action.RESOLVE, (100, {}, 0), 900,
        "Resolved 100 incidents of *search · prod-eu*. 900 were not reached: press the button again.",
    ),
    (
        KOREAN, Action.RESOLVE, (3, {Who(Mrkdwn("<@U1>"), is_person=True): 2}, 0), 0,
        "*search · prod-eu*: 인시던트 3건을 해결 처리했습니다. 2건은 이미 해결된 상태였습니다 (<@U1>).",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("words", "action", "result", "left", "text"), DONE)
def test_the_answer_says_what_changed_and_what_did_not(
    words: Words, action: Action, result: tuple[int, dict[Who | None, int], int], left: int, text: str
) -> None:
    (group,) = grouped([tally("search", "prod-eu", "warning", "active", 1)])
    message = bulk_done(action, group, result, left, words)
    assert shown(message) == text


@both
def test_the_answer_says_why_it_gave_up(words: Words) -> None:
    (group,) = grouped([tally("search", "prod-eu", "warning", "active", 1)])
    said = {shown(bulk_done(Action.RESOLVE, group, (100, {}, 0), 900, words, why=why)) for why in [None, *Hindrance]}
    assert len(said) == 1 + len(Hindrance)
    assert all("900" in one for one in said)


@both
def test_other_answers_are_accepted(words: Words) -> None:
    check_message(digest_gone(words))
    for action in (Action.ACKNOWLEDGE, Action.RESOLVE):
        check_message(bulk_under_way(action, whole(TALLIES), 100, 1000, words))


places = st.one_of(st.just(""), texts, st.sampled_from(HOSTILE))
tallies = st.lists(
    st.builds(
        Tally,
        service=places,
        cluster=places,
        severity=st.sampled_from(Severity),
        status=st.sampled_from(Status),
        count=st.integers(1, 10**6),
    ),
    min_size=1,
    max_size=40,
)


@both
@thorough
@given(some=tallies, place=places, over=st.booleans(), offset=st.integers(0, 40))
def test_a_digest_is_always_accepted(words: Words, some: list[Tally], place: str, over: bool, offset: int) -> None:
    ended = STARTED + timedelta(hours=3) if over else None
    storm = overview(replace(STORM, ended_at=ended), tuple(some))
    check_message(digest_message(storm, words, list(Severity)))
    check_message(digest_message(storm, words, ()))
    check_message(group_list(storm, words, offset))
    group = replace(GROUP, shared={"cluster": place, "service": place}, ended_at=ended)
    parts = replace(ACTIVE.parts, service=place, cluster=place)
    members = tuple(replace(one, title=place or "x", parts=parts) for one in (ACTIVE, ACKNOWLEDGED, RESOLVED) * 4)
    check_message(digest_message(overview(group, tuple(some), members=members), words, CRITICAL))
    check_message(incident_card(ACTIVE, words, group_note(group, words)))
    for one in storm.groups:
        check_message(incident_page(Page(storm.digest, one, members, 25), words))
        check_message(bulk_done(Action.RESOLVE, one, (1, {None: 3}, 0), 1, words))
        check_message(bulk_under_way(Action.RESOLVE, one, 1, 3, words))


@both
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:24])
def test_a_hostile_place_pages_nobody(words: Words, text: str) -> None:
    some = (Tally(service=text, cluster=text, severity=Severity.HIGH, status=Status.ACTIVE, count=3),)
    message = digest_message(overview(tallies=some), words, CRITICAL)
    check_message(message)
    assert not any("`" in said for said in markup_of(message))

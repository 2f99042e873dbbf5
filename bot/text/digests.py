"""What Observer says about storms and groups of incidents, in English and Korean, as one type."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import ClassVar

from bot.text.markup import Mrkdwn, bold, code, led_by, safe
from bot.text.words import Who, Words
from db.model.lifecycle import Action


class Hindrance(StrEnum):
    """Why a click for many incidents could not be carried out in full."""

    SLOW = "slow"  # a statement or a lock took too long
    AWAY = "away"
    READ_ONLY = "read_only"
    OTHER = "other"


class DigestWords(ABC):
    """The sentences of digests in one language; names of states and severities come from `Words`."""

    def __init__(self, words: Words) -> None:
        self.words = words

    # -- the message ---------------------------------------------------------------------------------------------------

    @abstractmethod
    def storm(self, total: int, *, over: bool) -> str:
        """The title of a storm's digest."""

    @abstractmethod
    def related(self, total: int, shared: str) -> str:
        """The title of a group; `shared` is `cluster prod-eu-1`."""

    @abstractmethod
    def storm_reason(self, limit: int, window: str, own: Sequence[str]) -> Mrkdwn:
        """Why there is a digest, and what happens to the cards; `own` are the severities that have cards at once."""

    @abstractmethod
    def storm_over(self, took: str, still_open: int, cards: int, worst: Sequence[str]) -> Mrkdwn:
        """That it is over, and what becomes of those that are still open: `cards` of the `worst` severities get one."""

    @abstractmethod
    def related_reason(self, shared: str, window: str, rule: str) -> Mrkdwn:
        """Why these incidents are one group."""

    @abstractmethod
    def related_over(self) -> Mrkdwn:
        """All members of a group are resolved."""

    @abstractmethod
    def place(self, service: str, cluster: str) -> str:
        """A group by its service and cluster, each of which may be empty."""

    @abstractmethod
    def everything(self) -> str:
        """All members of a digest, where a group is named."""

    @abstractmethod
    def counts(self, active: int, acknowledged: int, resolved: int) -> str:
        """How many there are in each state."""

    @abstractmethod
    def more_groups(self, groups: int, still_open: int) -> str:
        """That there are more groups than the ones shown."""

    @abstractmethod
    def small_print(self, since: Mrkdwn, as_of: Mrkdwn) -> list[Mrkdwn]:
        """Since when it is on, and when this was written."""

    @abstractmethod
    def own_cards(self, count: int) -> str:
        """How many members have a card of their own."""

    @abstractmethod
    def part_of(self, shared: str) -> Mrkdwn:
        """On the card of a member of a group."""

    # -- buttons -------------------------------------------------------------------------------------------------------

    @abstractmethod
    def do_all(self, action: Action, count: int) -> str:
        """The button for all open members of a group."""

    @abstractmethod
    def do_all_of(self, action: Action, place: str) -> str:
        """What a screen reader says of that button."""

    @abstractmethod
    def ask(self, action: Action) -> str:
        """The title of the question before it counts."""

    @abstractmethod
    def meaning(self, action: Action, place: str, count: int) -> str:
        """What it will do; `count` were open when the message was written."""

    show_all: str
    previous: str
    following: str
    all_groups: str
    all_incidents: str

    # -- lists ---------------------------------------------------------------------------------------------------------

    @abstractmethod
    def list_title(self, place: str, total: int) -> str:
        """The title of the list of a group's incidents."""

    @abstractmethod
    def groups_title(self, groups: int, total: int) -> str:
        """The title of the list of groups."""

    @abstractmethod
    def rows(self, first: int, last: int, total: int) -> str:
        """Which rows are shown."""

    @abstractmethod
    def empty(self) -> str:
        """There is no such row any more."""

    # -- answers -------------------------------------------------------------------------------------------------------

    @abstractmethod
    def done(
        self, action: Action, place: str, *, changed: int, already: Mapping[Mrkdwn, int], resolved: int, left: int,
        still_firing: int = 0, why: Hindrance | None = None,
    ) -> Mrkdwn:  # fmt: skip
        """What came of a click for a group: how many changed (and fire all the same), were so already (by
        whom), and were not reached, why."""

    @abstractmethod
    def gone(self) -> str:
        """The digest or the group is not in the record."""

    @abstractmethod
    def under_way(self, action: Action, place: str, changed: int, total: int) -> Mrkdwn:
        """The click is heard and takes longer than an answer may."""


def _number(count: int) -> str:
    return f"{count:,}"


def _people(already: Mapping[Mrkdwn, int]) -> str:
    """`@a (3), @b (1)`: the three who did most."""
    most = sorted(already.items(), key=lambda one: (-one[1], one[0]))
    named = [f"{name} ({_number(count)})" if len(most) > 1 else str(name) for name, count in most[:3] if name]
    return ", ".join([*named, *(["…"] if len(most) > 3 else [])])


class _English(DigestWords):
    show_all = "Show all"
    previous = "Previous"
    following = "Next"
    all_groups = "All groups"
    all_incidents = "All incidents"

    _hindrances: ClassVar = {
        Hindrance.SLOW: "the database was too busy",
        Hindrance.AWAY: "the database could not be reached",
        Hindrance.READ_ONLY: "the database took no changes",
        Hindrance.OTHER: "the database refused them",
    }

    def storm(self, total: int, *, over: bool) -> str:
        name = "Storm over" if over else "Alert storm"
        return f"{name} · {_incidents(total)}"

    def related(self, total: int, shared: str) -> str:
        return f"{_incidents(total)} with the same {shared}"

    def storm_reason(self, limit: int, window: str, own: Sequence[str]) -> Mrkdwn:
        those = f" {safe(' and '.join(own))} ones get their own card at once, the others are shown here." if own else ""
        return Mrkdwn(
            f"More than {limit} new incidents within {safe(window)} in this channel.{those} "
            "When it is over, the worst that nobody has acknowledged get their own card."
        )

    def storm_over(self, took: str, still_open: int, cards: int, worst: Sequence[str]) -> Mrkdwn:
        rest = (
            f"{_number(still_open)} {'is' if still_open == 1 else 'are'} still open and shown here. At most {cards} "
            f"{safe(' and '.join(worst))} ones that nobody has acknowledged get their own card."
            if still_open
            else "Nothing is left open."
        )
        return Mrkdwn(f"It lasted {safe(took)}. {rest}")

    def related_reason(self, shared: str, window: str, rule: str) -> Mrkdwn:
        return Mrkdwn(f"They share {safe(shared)} within {safe(window)} (rule {code(rule)} of the policy file).")

    def related_over(self) -> Mrkdwn:
        return Mrkdwn("All of them are resolved.")

    def place(self, service: str, cluster: str) -> str:
        if not service and not cluster:
            return "no service, no cluster"
        return f"{service or 'no service'} · {cluster or 'no cluster'}"

    def everything(self) -> str:
        return "all groups"

    def counts(self, active: int, acknowledged: int, resolved: int) -> str:
        said = ((active, "active"), (acknowledged, "acknowledged"), (resolved, "resolved"))
        return ", ".join(f"{_number(count)} {name}" for count, name in said if count) or "nothing"

    def more_groups(self, groups: int, still_open: int) -> str:
        return f"and {_number(groups)} more {'group' if groups == 1 else 'groups'} with {_number(still_open)} open"

    def small_print(self, since: Mrkdwn, as_of: Mrkdwn) -> list[Mrkdwn]:
        return [led_by("Started", since), led_by("As of", as_of)]

    def own_cards(self, count: int) -> str:
        return f"{_number(count)} with a card of {'its' if count == 1 else 'their'} own"

    def part_of(self, shared: str) -> Mrkdwn:
        return Mrkdwn(f":link: Part of a group: same {safe(shared)}")

    def do_all(self, action: Action, count: int) -> str:
        return f"{self._verb(action)} all {_number(count)}" if count > 1 else self._verb(action)

    def do_all_of(self, action: Action, place: str) -> str:
        return f"{self._verb(action)} all open incidents of {place}"

    def ask(self, action: Action) -> str:
        return f"{self._verb(action)} all of them?"

    def meaning(self, action: Action, place: str, count: int) -> str:
        return f"{place}: all open incidents at this moment ({_number(count)} just now); new ones are not included."

    def list_title(self, place: str, total: int) -> str:
        return f"{place}: {_incidents(total)}"

    def groups_title(self, groups: int, total: int) -> str:
        return f"{_incidents(total)} in {_number(groups)} {'group' if groups == 1 else 'groups'}"

    def rows(self, first: int, last: int, total: int) -> str:
        return f"{_number(first)} to {_number(last)} of {_number(total)}"

    def empty(self) -> str:
        return "There is nothing more to show."

    def done(
        self, action: Action, place: str, *, changed: int, already: Mapping[Mrkdwn, int], resolved: int, left: int,
        still_firing: int = 0, why: Hindrance | None = None,
    ) -> Mrkdwn:  # fmt: skip
        state = self._done(action)
        where = bold(safe(place))
        before = sum(already.values())
        if changed:
            said = [f"{state.capitalize()} {_incidents(changed)} of {where}."]
            if still_firing:
                fire = "fires" if still_firing == 1 else "fire"
                said.append(f":warning: {_number(still_firing)} of them still {fire} at the source.")
        else:
            said = [f"Nothing changed in {where}."]
        if before:
            by = f", by {people}" if (people := _people(already)) else ""
            said.append(f"{_number(before)} {'was' if before == 1 else 'were'} {state} already{by}.")
        if resolved:
            said.append(f"{_number(resolved)} {'is' if resolved == 1 else 'are'} resolved and stayed so.")
        if left:
            since = f", since {self._hindrances[why]}" if why else ""
            said.append(f"{_number(left)} were not reached{since}: press the button again.")
        return Mrkdwn(" ".join(said))

    def gone(self) -> str:
        return "This group is not in the record any more. Nothing was changed."

    def under_way(self, action: Action, place: str, changed: int, total: int) -> Mrkdwn:
        return Mrkdwn(
            f"{self._done(action).capitalize()} {_number(changed)} of {_number(total)} of {bold(safe(place))} so far; "
            "the rest follows, and you will be told."
        )

    def _verb(self, action: Action) -> str:
        return "Resolve" if action is Action.RESOLVE else "Acknowledge"

    def _done(self, action: Action) -> str:
        return "resolved" if action is Action.RESOLVE else "acknowledged"


def _incidents(count: int) -> str:
    return f"{_number(count)} {'incident' if count == 1 else 'incidents'}"


class _Korean(DigestWords):
    show_all = "전체 보기"
    previous = "이전"
    following = "다음"
    all_groups = "그룹 목록"
    all_incidents = "전체 인시던트"

    _hindrances: ClassVar = {
        Hindrance.SLOW: "데이터베이스가 너무 바빠서",
        Hindrance.AWAY: "데이터베이스에 연결할 수 없어",
        Hindrance.READ_ONLY: "데이터베이스가 변경을 받지 않아",
        Hindrance.OTHER: "데이터베이스가 거부하여",
    }

    def storm(self, total: int, *, over: bool) -> str:
        return f"{'알림 폭주 종료' if over else '알림 폭주'} · 인시던트 {_number(total)}건"

    def related(self, total: int, shared: str) -> str:
        return f"연관 인시던트 {_number(total)}건 · {shared}"

    def storm_reason(self, limit: int, window: str, own: Sequence[str]) -> Mrkdwn:
        those = (
            f" 심각도가 {safe(', '.join(own))}인 인시던트는 바로 카드로, 나머지는 여기에 모아서 표시합니다."
            if own
            else ""
        )
        return Mrkdwn(
            f"이 채널에 {safe(window)} 안에 {limit}건이 넘는 새 인시던트가 발생했습니다.{those} "
            "폭주가 끝나면 아무도 확인하지 않은 가장 급한 인시던트의 카드를 게시합니다."
        )

    def storm_over(self, took: str, still_open: int, cards: int, worst: Sequence[str]) -> Mrkdwn:
        rest = (
            f"아직 진행 중인 {_number(still_open)}건은 여기에 계속 표시합니다. 심각도가 {safe(', '.join(worst))}이고 "
            f"아무도 확인하지 않은 인시던트는 최대 {cards}건까지 개별 카드로 게시합니다."
            if still_open
            else "진행 중인 인시던트가 없습니다."
        )
        return Mrkdwn(f"지속 시간: {safe(took)}. {rest}")

    def related_reason(self, shared: str, window: str, rule: str) -> Mrkdwn:
        return Mrkdwn(f"{safe(window)} 안에 발생했고 공통점이 있습니다: {safe(shared)} (정책 파일의 규칙 {code(rule)})")

    def related_over(self) -> Mrkdwn:
        return Mrkdwn("모두 해결되었습니다.")

    def place(self, service: str, cluster: str) -> str:
        if not service and not cluster:
            return "서비스·클러스터 정보 없음"
        return f"{service or '서비스 정보 없음'} · {cluster or '클러스터 정보 없음'}"

    def everything(self) -> str:
        return "전체"

    def counts(self, active: int, acknowledged: int, resolved: int) -> str:
        said = ((active, "미확인"), (acknowledged, "확인됨"), (resolved, "해결됨"))
        return ", ".join(f"{name} {_number(count)}건" for count, name in said if count) or "없음"

    def more_groups(self, groups: int, still_open: int) -> str:
        return f"그 외 그룹 {_number(groups)}개 (진행 중 {_number(still_open)}건)"

    def small_print(self, since: Mrkdwn, as_of: Mrkdwn) -> list[Mrkdwn]:
        return [Mrkdwn(f"시작 {since}"), Mrkdwn(f"기준 시각 {as_of}")]

    def own_cards(self, count: int) -> str:
        return f"개별 카드 {_number(count)}건"

    def part_of(self, shared: str) -> Mrkdwn:
        return Mrkdwn(f":link: 연관 인시던트 그룹에 포함됨: {safe(shared)}")

    def do_all(self, action: Action, count: int) -> str:
        return f"{_number(count)}건 모두 {self._verb(action)}" if count > 1 else self._verb(action)

    def do_all_of(self, action: Action, place: str) -> str:
        return f"{place}: 진행 중인 인시던트 모두 {self._verb(action)}"

    def ask(self, action: Action) -> str:
        return f"모두 {self._verb(action)} 처리할까요?"

    def meaning(self, action: Action, place: str, count: int) -> str:
        return (
            f"{place}: 현재 진행 중인 인시던트 {_number(count)}건을 모두 {self._verb(action)} 처리합니다. "
            "이후에 발생하는 인시던트는 바뀌지 않습니다."
        )

    def list_title(self, place: str, total: int) -> str:
        return f"{place}: 인시던트 {_number(total)}건"

    def groups_title(self, groups: int, total: int) -> str:
        return f"그룹 {_number(groups)}개, 인시던트 {_number(total)}건"

    def rows(self, first: int, last: int, total: int) -> str:
        return f"전체 {_number(total)}건 중 {_number(first)}~{_number(last)}번째"

    def empty(self) -> str:
        return "더 표시할 내용이 없습니다."

    def done(
        self, action: Action, place: str, *, changed: int, already: Mapping[Mrkdwn, int], resolved: int, left: int,
        still_firing: int = 0, why: Hindrance | None = None,
    ) -> Mrkdwn:  # fmt: skip
        verb = self._verb(action)
        before = sum(already.values())
        if changed:
            said = [f"{bold(safe(place))}: 인시던트 {_number(changed)}건을 {verb} 처리했습니다."]
            if still_firing:
                said.append(f":warning: 그중 {_number(still_firing)}건은 소스에서 아직 발생 중입니다.")
        else:
            said = [f"{bold(safe(place))}: 변경된 내용이 없습니다."]
        if before:
            by = f" ({people})" if (people := _people(already)) else ""
            said.append(f"{_number(before)}건은 이미 {verb}된 상태였습니다{by}.")
        if resolved:
            said.append(f"{_number(resolved)}건은 이미 해결되어 그대로 두었습니다.")
        if left:
            since = f"{self._hindrances[why]} " if why else ""
            said.append(f"{since}{_number(left)}건은 처리하지 못했습니다. 버튼을 다시 눌러 주세요.")
        return Mrkdwn(" ".join(said))

    def gone(self) -> str:
        return "이 그룹은 더 이상 기록에 없습니다. 변경된 내용은 없습니다."

    def under_way(self, action: Action, place: str, changed: int, total: int) -> Mrkdwn:
        return Mrkdwn(
            f"{bold(safe(place))}: {_number(total)}건 중 {_number(changed)}건을 {self._verb(action)} 처리했고 "
            "나머지를 계속 처리하고 있습니다. 끝나면 알려 드립니다."
        )

    def _verb(self, action: Action) -> str:
        return "해결" if action is Action.RESOLVE else "확인"


def digest_words(words: Words) -> DigestWords:
    """The words for digests in the language of `words`."""
    return (_Korean if words.language == "ko" else _English)(words)


def shared_text(shared: Mapping[str, str], words: Words) -> str:
    """What a group has in common: `cluster prod-eu-1, service checkout`. Untrusted text."""
    names = {"cluster": words.cluster, "namespace": words.namespace, "service": words.service, "phase": words.phase}
    return ", ".join(f"{names.get(part, part).lower()} {value}" for part, value in shared.items())


def people_of(already: Mapping[Who | None, int]) -> Mapping[Mrkdwn, int]:
    """Who did it, by the name that is shown."""
    named: dict[Mrkdwn, int] = {}
    for who, count in already.items():
        name = who.name if who is not None else Mrkdwn("")
        named[name] = named.get(name, 0) + count
    return named

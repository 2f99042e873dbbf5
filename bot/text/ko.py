"""Observer in Korean.

Names and values that are inserted stand where no particle depends on their last sound: people carry `님`, programs are
followed by `에서`, everything else stands behind a colon or in front of a noun.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.text.markup import Mrkdwn, code, joined, safe
from bot.text.words import Who, Words, largest_units
from db.model.incident import MOST_COUNTED, EventKind, Severity, Status
from db.model.lifecycle import Action
from db.model.reason import Reason

_UNITS = {"d": "일", "h": "시간", "min": "분", "s": "초"}


class Korean(Words):
    """The sentences; the fixed texts are in `KOREAN`."""

    def status_name(self, status: Status) -> str:
        match status:
            case Status.ACTIVE:
                return "미확인"
            case Status.ACKNOWLEDGED:
                return "확인됨"
            case Status.RESOLVED:
                return "해결됨"

    def severity_name(self, severity: Severity) -> str:
        match severity:
            case Severity.CRITICAL:
                return "심각"
            case Severity.HIGH:
                return "높음"
            case Severity.WARNING:
                return "경고"
            case Severity.INFO:
                return "정보"

    def action_name(self, action: Action) -> str:
        match action:
            case Action.ACKNOWLEDGE:
                return "확인"
            case Action.UNACKNOWLEDGE:
                return "확인 취소"
            case Action.RESOLVE:
                return "해결"
            case Action.REOPEN:
                return "다시 열기"

    def duration(self, seconds: int) -> str:
        return " ".join(f"{count}{_UNITS[unit]}" for count, unit in largest_units(seconds))

    def firing_of(self, firing: int, total: int) -> str:
        return f"{firing}/{total}"

    def firing_now(self, firing: int) -> str:
        return f"알림 {firing}개 발생 중"

    def firing_elsewhere(self, count: int) -> Mrkdwn:
        return Mrkdwn(f"같은 규칙과 서비스의 해결된 인시던트에서 인스턴스 {count}개가 아직 발생 중입니다")

    def still_firing(self, count: int) -> Mrkdwn:
        return Mrkdwn(f"소스에서 인스턴스 {count}개가 아직 발생 중입니다.")

    def silence_all(self, count: int) -> str:
        return f"사일런스 (전체 {count}개)"

    def person(self, mention: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"{mention} 님") if mention else mention

    def from_source(self, source: str) -> str:
        return f"{source}에서 열기"

    def announcement(
        self, *, severity: Severity, name: Mrkdwn, status: Status, owner: Mrkdwn, service: Mrkdwn, blind: bool
    ) -> Mrkdwn:
        state = f"현재 상태는 '{self.status_name(status)}'입니다."
        if owner and status is not Status.RESOLVED:
            state += f" 담당자는 {owner}입니다."
        elif status is Status.ACTIVE:
            state += " 아직 담당자가 없습니다."
        about = f" 서비스: {service}." if service else ""
        cannot_see = " 데이터 소스를 읽을 수 없습니다." if blind else ""
        return Mrkdwn(f"인시던트 {name} (심각도: {self.severity_name(severity)}). {state}{about}{cannot_see}")

    def resolved_by(self, who: Who | None, at: Mrkdwn) -> Mrkdwn:
        return joined(" · ", [self._named(who) if who else Mrkdwn(""), at])

    def last_alert_at(self, at: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"마지막 알림 {at}")

    def blind_title(self, source: str, rules: int) -> str:
        return f"관측 불가: {source}" + (f" (데이터가 없는 규칙 {rules}개)" if rules else "")

    def and_more(self, count: int) -> str:
        return f"외 {count}개"

    def unobserved(self, source: Mrkdwn, incident: Mrkdwn, since: Mrkdwn, held: int) -> Mrkdwn:
        on = joined(", ", [Mrkdwn(f"데이터 소스: {source}") if source else Mrkdwn(""), incident])
        because = f" ({on})" if on else ""
        silent = f" 그동안 인스턴스 {held}개의 알림이 끊겼지만 복구로 처리하지 않습니다." if held else ""
        return Mrkdwn(f"{since}부터 관측할 수 없습니다{because}. 지금도 문제가 계속되는지 알 수 없습니다.{silent}")

    def see_incident(self, name: str) -> Mrkdwn:
        return Mrkdwn(f"{name} 참고")

    def settling(self, since: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"{since}부터 다시 관측할 수 있습니다. 곧 다시 발생하지 않으면 자동으로 해결됩니다.")

    def not_heard_of(self, since: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"{since} 이후 알림이 수신되지 않았습니다. 이미 복구되었을 수 있으니 확인한 뒤 해결해 주세요.")

    def event(self, kind: EventKind, who: Who, *, count: int, severity: str, reason: Reason, about: Mrkdwn) -> Mrkdwn:
        by = _by(who)
        match kind:
            case EventKind.OPENED if reason is Reason.RESOLVED_UNSEEN:
                return Mrkdwn(f"이미 해결된 상태로 접수되었습니다 ({who.name})")
            case EventKind.OPENED if reason is Reason.FOUND_BY_RECONCILIATION:
                return Mrkdwn(
                    f"소스 목록에만 있고 웹훅이 도착하지 않아 인시던트가 생성되었습니다{_firing(count)} ({who.name})"
                )
            case EventKind.OPENED:
                opened = (
                    f"{by} 인시던트를 생성했습니다"
                    if who.is_person
                    else f"{who.name} 알림으로 인시던트가 생성되었습니다"
                )
                return Mrkdwn(f"{opened}{_firing(count)}")
            case EventKind.JOINED if reason is Reason.FOUND_BY_RECONCILIATION:
                return Mrkdwn(f"소스 목록에서 {_instances(count)} 추가로 발견되었습니다 ({who.name})")
            case EventKind.JOINED:
                return Mrkdwn(f"{_where(count)} 추가로 알림이 발생했습니다 ({who.name})")
            case EventKind.PARTLY_RESOLVED if reason is Reason.FOUND_BY_RECONCILIATION:
                return Mrkdwn(f"소스 목록에서 {_instances(count)} 사라졌고, 나머지는 계속 발생 중입니다 ({who.name})")
            case EventKind.PARTLY_RESOLVED if reason is Reason.RECOVERED_WITHOUT_DATA:
                return Mrkdwn(f"관측할 수 없는 동안 {_instances(count)} 복구되었고, 나머지는 계속 발생 중입니다")
            case EventKind.PARTLY_RESOLVED:
                return Mrkdwn(f"{_instances(count)} 복구되었고, 나머지는 계속 발생 중입니다 ({who.name})")
            case EventKind.SEVERITY_RAISED:
                return Mrkdwn(f"{by} 심각도를 높였습니다{_to(severity)}")
            case EventKind.BLIND if about:
                return Mrkdwn(f"더 이상 관측할 수 없습니다 ({who.name}, 데이터 소스: {about})")
            case EventKind.BLIND:
                return Mrkdwn(f"더 이상 관측할 수 없습니다. {by} 데이터를 읽지 못하고 있습니다")
            case EventKind.SIGHT_RESTORED:
                return Mrkdwn(f"다시 관측할 수 있습니다. {by} 데이터를 읽고 있습니다")
            case EventKind.HELD:
                return Mrkdwn(
                    f"데이터가 없는 동안 {_instances(count)} 보고를 멈췄지만 복구로 처리하지 않습니다 ({who.name})"
                )
            case EventKind.STALE:
                return Mrkdwn(
                    f"{count}시간 동안 알림이 수신되지 않았습니다" if count else "오랫동안 알림이 수신되지 않았습니다"
                )
            case EventKind.HEARD_AGAIN:
                return Mrkdwn(f"알림이 다시 수신되었습니다 ({who.name})")
            case EventKind.ACKNOWLEDGED:
                return Mrkdwn(f"{by} 확인했습니다{_with_others(reason)}")
            case EventKind.UNACKNOWLEDGED:
                return Mrkdwn(f"{by} 확인을 취소했습니다")
            case EventKind.RESOLVED if reason is Reason.ALL_RECOVERED:
                return Mrkdwn(f"모두 복구되어 자동으로 해결되었습니다 ({who.name})")
            case EventKind.RESOLVED if reason is Reason.FOUND_BY_RECONCILIATION:
                return Mrkdwn(f"소스 목록에서 모두 사라져 자동으로 해결되었습니다 ({who.name})")
            case EventKind.RESOLVED if reason is Reason.RECOVERED_WITHOUT_DATA:
                return Mrkdwn("다시 관측할 수 있게 된 뒤 발생하지 않아 자동으로 해결되었습니다")
            case EventKind.RESOLVED:
                return Mrkdwn(f"{by} 해결했습니다{_with_others(reason)}")
            case EventKind.REOPENED if reason is Reason.STILL_FIRING:
                return Mrkdwn("소스에서 아직 발생 중이어서 다시 열렸습니다")
            case EventKind.REOPENED if reason is Reason.FIRED_AGAIN:
                return Mrkdwn(f"해결 직후 다시 발생하여 인시던트가 다시 열렸습니다 ({who.name})")
            case EventKind.REOPENED if reason is Reason.FOUND_BY_RECONCILIATION:
                return Mrkdwn(f"소스 목록에서 다시 발생이 확인되어 인시던트가 다시 열렸습니다 ({who.name})")
            case EventKind.REOPENED if reason is Reason.RESOLVED_WITHOUT_DATA:
                return Mrkdwn(f"해결과 동시에 관측할 수 없게 되어, 복구로 보지 않고 다시 열었습니다 ({who.name})")
            case EventKind.REOPENED:
                return Mrkdwn(f"{by} 다시 열었습니다")
            case EventKind.NOTED:
                return Mrkdwn(f"{by} 메모를 추가했습니다")
            case EventKind.REPAIRED:
                return Mrkdwn("이 인시던트의 잘못된 집계를 바로잡았습니다")
            case EventKind.TRUNCATED:
                lost = f"알림 {count}건이" if count else "일부 알림이"
                return Mrkdwn(f"{lost} 잘려서 받지 못했습니다 ({who.name})")

    def reopen_of(self, number: str) -> str:
        return f"{number or '이'} 인시던트가 담당자 없이 다시 '미확인' 상태가 됩니다."

    def acknowledge_of(self, name: str) -> str:
        return f"확인: {name}"

    def unacknowledge_of(self, name: str) -> str:
        return f"확인 취소: {name}"

    def resolve_of(self, name: str) -> str:
        return f"해결: {name}"

    def reopen_button_of(self, name: str) -> str:
        return f"다시 열기: {name}"

    def details_of(self, name: str) -> str:
        return f"자세히 보기: {name}"

    def share_of(self, name: str) -> str:
        return f"채널에 공유: {name}"

    def resolve_title(self, number: str) -> str:
        return f"{number} 해결" if number else "인시던트 해결"

    def listing_title(self, total: int, *, only_open: bool) -> str:
        return f"{'진행 중인 ' if only_open else ''}인시던트 {_counted(total)}"

    def listing_rest(self, shown: int, total: int) -> str:
        return f"전체 {_counted(total)} 중 가장 급한 {shown}건만 보여 드립니다."

    def shared_by(self, who: Who) -> Mrkdwn:
        return Mrkdwn(f"{_by(who)} 공유했습니다")

    def as_of(self, at: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"기준 시각 {at}")

    def done(self, action: Action, name: Mrkdwn) -> Mrkdwn:
        match action:
            case Action.ACKNOWLEDGE:
                return Mrkdwn(f"확인했습니다. 이제 담당자입니다: {name}")
            case Action.UNACKNOWLEDGE:
                return Mrkdwn(f"확인을 취소했습니다. 이제 담당자가 없습니다: {name}")
            case Action.RESOLVE:
                return Mrkdwn(f"해결했습니다: {name}")
            case Action.REOPEN:
                return Mrkdwn(f"다시 열었습니다: {name}")

    def already_acknowledged(self, name: Mrkdwn, who: Who | None, at: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"이미 확인된 인시던트입니다: {name}{self._of(who, at)}. 변경된 내용은 없습니다.")

    def already_yours(self, name: Mrkdwn, at: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"이미 담당하고 계신 인시던트입니다: {name}{self._of(None, at)}. 변경된 내용은 없습니다.")

    def left_undone(self, names: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"아직 처리하지 못했습니다: {names}. 데이터베이스 응답이 늦으니 잠시 후 다시 시도해 주세요.")

    def already_resolved(self, name: Mrkdwn, who: Who | None, at: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"이미 해결된 인시던트입니다: {name}{self._of(who, at)}.")

    def already_unacknowledged(self, name: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"담당자가 없는 인시던트여서 취소할 확인이 없습니다: {name}")

    def already_open(self, name: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"이미 진행 중인 인시던트입니다: {name}. 변경된 내용은 없습니다.")

    def refused_resolved(self, name: Mrkdwn, action: Action) -> Mrkdwn:
        return Mrkdwn(
            f"이미 해결된 인시던트라 {self.action_name(action)} 처리할 수 없습니다. 먼저 다시 열어 주세요: {name}"
        )

    def refused_other_open(self, name: Mrkdwn, other: Mrkdwn) -> Mrkdwn:
        which = f": {other}" if other else ""
        return Mrkdwn(
            f"다시 열지 못했습니다: {name}. 같은 종류의 인시던트가 이미 진행 중이니 그쪽에서 처리해 주세요{which}"
        )

    def not_found(self, reference: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"해당하는 인시던트가 없습니다: {reference}")

    def test_received(self, contact_point: Mrkdwn, source: str, at: Mrkdwn) -> Mrkdwn:
        sender = f"{source} 컨택 포인트 {contact_point}" if contact_point else source
        return Mrkdwn(f"{sender}에서 보낸 테스트 알림을 받았습니다 ({at}).")

    def meant_for(self, channel: Mrkdwn, error: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"원래 채널 {channel}에 게시할 수 없어 여기에 표시합니다: {error}")

    def unknown_command(self, typed: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"알 수 없는 명령입니다: {typed}")

    def missing_reference(self, action: str) -> Mrkdwn:
        return Mrkdwn(f"어느 인시던트인지 알려 주세요. {code(action)} 뒤에 번호가 필요합니다.")

    def wrong_reference(self, typed: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"인시던트 번호나 ID(`INC-…`) 형식이 아닙니다: {typed}")

    def unknown_filter(self, typed: Mrkdwn, allowed: Sequence[Mrkdwn]) -> Mrkdwn:
        return Mrkdwn(f"지원하지 않는 필터입니다: {typed}. 사용할 수 있는 필터: {joined(', ', allowed)}")

    def unknown_value(self, name: Mrkdwn, typed: Mrkdwn, allowed: Sequence[Mrkdwn]) -> Mrkdwn:
        if not allowed:
            return Mrkdwn(f"필터에 값이 필요합니다: {name}")
        return Mrkdwn(f"{name} 필터에 쓸 수 없는 값입니다: {typed}. 사용할 수 있는 값: {joined(', ', allowed)}")

    def too_much(self, typed: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"명령 뒤에 붙은 내용을 이해하지 못했습니다: {typed}")

    def did_you_mean(self, command: Mrkdwn) -> Mrkdwn:
        return Mrkdwn(f"혹시 이 명령을 찾으셨나요? {command}")

    def _named(self, who: Who) -> Mrkdwn:
        return self.person(who.name) if who.is_person else who.name

    def _of(self, who: Who | None, at: Mrkdwn) -> str:
        said = joined(", ", [self._named(who) if who else Mrkdwn(""), at])
        return f" ({said})" if said else ""


def _counted(total: int) -> str:
    return f"{total}건" if total <= MOST_COUNTED else f"{MOST_COUNTED:,}건 이상"


def _by(who: Who) -> str:
    return f"{who.name} 님이" if who.is_person else f"{who.name}에서"


def _where(count: int) -> str:
    return f"인스턴스 {count}개에서" if count else "일부 인스턴스에서"


def _instances(count: int) -> str:
    return f"인스턴스 {count}개가" if count else "일부 인스턴스가"


def _firing(count: int) -> str:
    return f" (발생 중인 인스턴스 {count}개)" if count else ""


def _to(severity: str) -> str:
    return f" → {safe(severity, 40)}" if severity else ""


def _with_others(reason: Reason) -> str:
    return " (일괄 처리)" if reason is Reason.BULK else ""


KOREAN = Korean(
    language="ko",
    untitled="제목 없는 인시던트",
    blind="관측 불가",
    blind_explanation="데이터 소스에서 데이터가 오지 않거나 오류가 발생하여 규칙의 상태를 알 수 없습니다. "
    "진행 중인 인시던트는 데이터가 돌아올 때까지 해결되지 않고 유지됩니다.",
    blind_rules="데이터가 없는 규칙",
    stale="수신 없음",
    status="상태",
    owner="담당자",
    severity="심각도",
    service="서비스",
    namespace="네임스페이스",
    cluster="클러스터",
    phase="환경",
    started="시작",
    took="소요 시간",
    firing="발생 중",
    values="측정값",
    first="최초",
    latest="최근",
    root_cause="근본 원인",
    action_taken="조치 내용",
    filed_as="인시던트 ID",
    dashboard="대시보드",
    panel="패널",
    runbook="런북",
    silence="사일런스",
    alert_rule="알림 규칙",
    acknowledge="확인",
    resolve="해결…",
    unacknowledge="확인 취소",
    reopen="다시 열기",
    details="자세히",
    show="보기",
    share="채널에 공유",
    cancel="취소",
    close="닫기",
    reopen_question="이 인시던트를 다시 열까요?",
    resolve_submit="해결",
    root_cause_placeholder="무엇이 문제였나요?",
    action_taken_placeholder="어떻게 조치했나요?",
    notes_optional="둘 다 비워 두어도 됩니다. 적은 내용은 인시던트에 기록되고 카드에 표시됩니다.",
    earlier_notes="이전 기록",
    resolved_too_late="이미 해결됨",
    your_notes="작성한 내용",
    your_notes_kept="작성한 메모는 인시던트에 추가되었습니다.",
    not_saved="저장되지 않음",
    nothing_open="진행 중인 인시던트가 없습니다. 🌱",
    nothing_matches="조건에 맞는 인시던트가 없습니다.",
    latest_alerts="최근 알림",
    no_alerts="남아 있는 알림 기록이 없습니다.",
    timeline="타임라인",
    no_events="아직 기록이 없습니다.",
    alert_firing="발생",
    alert_resolved="해결",
    narrow_down="다른 인시던트를 보려면 조건을 좁혀 주세요:",
    help_title="Observer 도움말",
    help_intro="Observer는 알림을 인시던트로 모아 줍니다. 카드의 버튼을 누르거나 다음과 같이 입력하세요:",
    help_list="진행 중인 인시던트를 급한 순서로 보기",
    help_filter="조건에 맞는 인시던트 보기",
    help_show="최근 알림과 타임라인을 포함하여 자세히 보기",
    help_acknowledge="확인하고 담당자 되기",
    help_unacknowledge="확인 취소하기",
    help_resolve="해결하기 (번호 뒤에 적은 내용은 조치 내용으로 기록)",
    help_reopen="다시 열기",
    help_help="이 도움말 보기",
    help_filters="필터",
    database_away="데이터베이스에 연결할 수 없습니다. 변경된 내용은 없습니다. 잠시 후 다시 시도해 주세요.",
    not_looked_up="데이터베이스에 연결할 수 없어 조회하지 못했습니다. 잠시 후 다시 시도해 주세요.",
    internal_error="내부 오류가 발생하여 로그에 기록했습니다. 다시 시도하기 전에 인시던트 상태를 확인해 주세요.",
    old_button="더 이상 읽을 수 없는 버튼입니다. 인시던트의 최신 메시지를 사용하거나 명령을 입력해 주세요.",
    dialog_not_opened="Slack이 제때 대화 상자를 열지 못했습니다. 변경된 내용은 없습니다. 버튼을 다시 눌러 주세요.",
    not_of_this_workspace="이 워크스페이스의 구성원만 Observer를 사용할 수 있습니다. 변경된 내용은 없습니다.",
    not_a_reader="인시던트를 조회할 권한이 없습니다. 변경된 내용은 없습니다.",
    not_shared_here="인시던트는 해당 인시던트의 채널에만 공유할 수 있습니다. 게시된 내용은 없습니다.",
    not_allowed="인시던트를 변경할 권한이 없습니다. 변경된 내용은 없습니다.",
    shared="채널에 공유했습니다.",
    test_title="테스트 알림 수신",
    test_explanation="알림이 정상적으로 전달되었습니다. 인시던트는 열리지 않았습니다.",
)

"""What Slack sends is understood in every form a person may type; a strange body is refused with its place."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.blocks import card, resolve
from bot.blocks.digest import digest_message
from bot.blocks.identifiers import ClickAction, encode_digest
from bot.grammar import (
    NUMBER,
    Change,
    Command,
    Help,
    ListFiltered,
    ListOpen,
    Misunderstood,
    Problem,
    Show,
    typed,
    understand,
)
from bot.payloads import (
    Click,
    Submission,
    UnreadablePayload,
    read_click,
    read_command,
    read_digest_click,
    read_submission,
)
from bot.text import ENGLISH
from db.model.identity import IncidentId, Place
from db.model.incident import Filter, Severity, Status
from db.model.lifecycle import Action, Notes
from db.model.policy import Policy
from tests.bot.blocks.incidents import ACKNOWLEDGED, ACTIVE
from tests.bot.blocks.test_digest import overview

ID = IncidentId("INC-20261121001600-0123456789abcdef")
OPEN = (Status.ACTIVE, Status.ACKNOWLEDGED)

# -- clicks ------------------------------------------------------------------------------------------------------------


def pressed(element: dict[str, Any], *, ephemeral: bool = False) -> dict[str, Any]:
    """The body Slack sends when this element is used."""
    return {
        "type": "block_actions",
        "user": {"id": "U0ANN", "username": "ann", "team_id": "T1"},
        "api_app_id": "A1",
        "token": "x",
        "container": {
            "type": "message",
            "message_ts": "1795220160.000100",
            "channel_id": "C1",
            "is_ephemeral": ephemeral,
        },
        "trigger_id": "1.2.abc",
        "team": {"id": "T1", "domain": "d"},
        "enterprise": None,
        "channel": {"id": "C1", "name": "incidents"},
        "message": {"ts": "1795220160.000100", "text": "…"},
        "state": {"values": {}},
        "response_url": "https://hooks.slack.example/actions/1",
        "actions": [{**element, "block_id": "b", "action_ts": "1"}],
    }


def elements_of(incident: Any) -> list[dict[str, Any]]:
    """The buttons on the incident's card."""
    row = next(block for block in card.incident_card(incident, ENGLISH).blocks if block["type"] == "actions")
    elements = row["elements"]
    assert isinstance(elements, list)
    return elements


def test_a_button_of_our_own_card_is_read() -> None:
    assert read_click(pressed(elements_of(ACTIVE)[0])) == Click(
        action=ClickAction.ACKNOWLEDGE,
        incident_id=ACTIVE.incident_id,
        version=1,
        user_id="U0ANN",
        channel_id="C1",
        message_ts="1795220160.000100",
        trigger_id="1.2.abc",
        response_url="https://hooks.slack.example/actions/1",
        ephemeral=False,
    )


def test_a_choice_from_the_menu_is_read() -> None:
    menu = elements_of(ACKNOWLEDGED)[-1]
    click = read_click(
        pressed({"type": "overflow", "action_id": menu["action_id"], "selected_option": menu["options"][0]})
    )
    assert (click.action, click.version) == (ClickAction.UNACKNOWLEDGE, 2)


def test_an_ephemeral_message_is_known_as_one() -> None:
    assert read_click(pressed(elements_of(ACTIVE)[0], ephemeral=True)).ephemeral is True


def test_what_slack_leaves_out_is_empty() -> None:
    body = pressed(elements_of(ACTIVE)[0])
    for name in ("channel", "message", "container", "response_url", "trigger_id"):
        del body[name]
    click = read_click(body)
    assert (click.channel_id, click.message_ts, click.trigger_id, click.response_url) == ("", "", "", "")
    assert click.ephemeral is False


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda body: body.update(type="shortcut"), "type"),
        (lambda body: body.pop("type"), "type"),
        (lambda body: body.update(actions=[]), "actions"),
        (lambda body: body.update(actions="x"), "actions"),
        (lambda body: body.update(actions={"0": 1}), "actions"),
        (lambda body: body["actions"][0].pop("value"), "actions[0].value"),
        (lambda body: body["actions"][0].update(value=7), "actions[0].value"),
        (lambda body: body["actions"][0].update(value="garbage"), "actions[0].value"),
        (lambda body: body["actions"][0].update(selected_option={}), "actions[0].selected_option.value"),
        (lambda body: body.pop("user"), "user.id"),
        (lambda body: body.update(user="ann"), "user.id"),
        (lambda body: body["user"].update(id=""), "user.id"),
        (lambda body: body.update(trigger_id=5), "trigger_id"),
    ],
)
def test_a_strange_click_is_refused_with_its_place(change: Any, path: str) -> None:
    body = copy.deepcopy(pressed(elements_of(ACTIVE)[0]))
    change(body)
    with pytest.raises(UnreadablePayload) as refused:
        read_click(body)
    assert refused.value.path == path
    assert refused.value.reason


def test_a_button_of_our_own_digest_is_read() -> None:
    storm = overview()
    for block in digest_message(storm, ENGLISH, ()).blocks:
        for element in block["elements"] if block["type"] == "actions" else []:  # type: ignore[attr-defined]
            click = read_digest_click(pressed(element, ephemeral=True))
            assert encode_digest(click.value) == element["value"]
            assert element["action_id"].startswith(click.value.action.action_id)
            assert (click.user_id, click.ephemeral) == ("U0ANN", True)
            assert click.response_url == "https://hooks.slack.example/actions/1"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"type": "view_submission"}, "type"),
        ({"actions": []}, "actions"),
        ({"actions": [{"value": "v1:acknowledge:INC-1:1"}]}, "actions[0].value"),
        ({"actions": [{"value": "d1:explode:1:all:0"}]}, "actions[0].value"),
        ({"actions": [{}]}, "actions[0].value"),
        ({"user": {}}, "user.id"),
    ],
)
def test_a_strange_click_on_a_digest_is_refused_with_its_place(change: dict[str, Any], path: str) -> None:
    body = pressed({"value": "d1:show:1:all:0"}) | change
    with pytest.raises(UnreadablePayload) as refused:
        read_digest_click(body)
    assert refused.value.path == path


# -- submissions -------------------------------------------------------------------------------------------------------


def submitted(view: dict[str, Any], **typed_in: str | None) -> dict[str, Any]:
    """The body Slack sends for the resolve dialog."""
    values = {block: {"text": {"type": "plain_text_input", "value": text}} for block, text in typed_in.items()}
    return {
        "type": "view_submission",
        "user": {"id": "U0ANN"},
        "trigger_id": "1",
        "view": {
            "id": "V1",
            "callback_id": view["callback_id"],
            "private_metadata": view["private_metadata"],
            "state": {"values": values},
        },
        "response_urls": [],
    }


def test_our_own_dialog_is_read() -> None:
    view = resolve.resolve_modal(ID, ENGLISH, channel="C1")
    body = submitted(view, root_cause=" A deploy <b> & \n", action_taken=None)
    assert read_submission(body) == Submission(
        incident_id=ID,
        notes=Notes("A deploy <b> &", ""),
        user_id="U0ANN",
        view_id="V1",
        channel_id="C1",
    )


def test_an_empty_dialog_is_read() -> None:
    view = resolve.resolve_modal(ID, ENGLISH)
    assert not read_submission(submitted(view)).notes


def test_what_the_database_could_not_keep_is_replaced() -> None:
    view = resolve.resolve_modal(ID, ENGLISH)
    assert read_submission(submitted(view, root_cause="a\x00b\ud800c")).notes.root_cause == "a\ufffdb\ufffdc"


@pytest.mark.parametrize(
    ("metadata", "path"),
    [
        ("", "view.private_metadata"),
        ("{", "view.private_metadata"),
        ("[" * 100_000, "view.private_metadata"),
        ("[]", "view.private_metadata.incident"),
        ("{}", "view.private_metadata.incident"),
        ('{"incident": 4}', "view.private_metadata.incident"),
        ('{"incident": "a b"}', "view.private_metadata.incident"),
        ('{"incident": "INC-1", "channel": []}', "view.private_metadata.channel"),
    ],
)
def test_a_strange_dialog_is_refused_with_its_place(metadata: str, path: str) -> None:
    body = submitted(resolve.resolve_modal(ID, ENGLISH))
    body["view"]["private_metadata"] = metadata
    with pytest.raises(UnreadablePayload) as refused:
        read_submission(body)
    assert refused.value.path == path


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                (
                    "type", "actions", "user", "id", "value", "view", "private_metadata", "state", "values", "text",
                    "container", "selected_option", "command", "user_id", "root_cause",
                )
            ),
            inner | st.sampled_from(("block_actions", "view_submission", "v1:show:INC-1:1", '{"incident": "x"}')),
            max_size=6,
        )
    ),
    max_leaves=25,
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(json_values)
def test_no_body_at_all_raises_anything_else(body: object) -> None:
    for read in (read_click, read_submission, read_command):
        try:
            read(body)
        except UnreadablePayload as refused:
            assert refused.path  # noqa: PT017 - raised or not, both are right


# -- commands ----------------------------------------------------------------------------------------------------------


def filtered(**parts: Any) -> ListFiltered:
    """A list with these filters."""
    return ListFiltered(Filter(**parts))


UNDERSTOOD: list[tuple[str, Command]] = [
    ("", ListOpen()),
    ("   ", ListOpen()),
    ("list", ListOpen()),
    ("  LIST  ", ListOpen()),
    ("목록", ListOpen()),
    ("help", Help()),
    ("?", Help()),
    ("도움말", Help()),
    ("42", Show(42)),
    ("#42", Show(42)),
    ("inc-42", Show(42)),
    ("show INC-2026", Show(2026)),
    ("show 42", Show(42)),
    ("보기 42", Show(42)),
    ("show   #42 ", Show(42)),
    (ID, Show(ID)),
    (ID.lower(), Show(ID)),
    (f"{ID}-2", Show(IncidentId(f"{ID}-2"))),
    ("INC-20261121001600-0123456789ABCDEF", Show(ID)),
    ("４２", Show(42)),
    ("ack 42", Change(Action.ACKNOWLEDGE, 42)),
    ("Acknowledge #42", Change(Action.ACKNOWLEDGE, 42)),
    ("확인 42", Change(Action.ACKNOWLEDGE, 42)),
    (f"ack {ID}", Change(Action.ACKNOWLEDGE, ID)),
    ("확인 취소 42", Change(Action.UNACKNOWLEDGE, 42)),
    ("다시 열기 42", Change(Action.REOPEN, 42)),
    ("unack 42", Change(Action.UNACKNOWLEDGE, 42)),
    ("un-acknowledge 42", Change(Action.UNACKNOWLEDGE, 42)),
    ("reopen 42", Change(Action.REOPEN, 42)),
    ("resolve 42", Change(Action.RESOLVE, 42)),
    ("해결 42 롤백했습니다", Change(Action.RESOLVE, 42, Notes(action_taken="롤백했습니다"))),
    (
        '  resolve  42   said "stop" &amp; it\'s  over\nafter all ',
        Change(Action.RESOLVE, 42, Notes(action_taken='said "stop" & it\'s  over\nafter all')),
    ),
    (
        "resolve 42 &lt;@U1|x&gt; with <@U2|bob>, see <#C1|ops> and <https://x.example/?a=1&amp;b|x>",
        Change(Action.RESOLVE, 42, Notes(action_taken="<@U1|x> with @bob, see #ops and https://x.example/?a=1&b")),
    ),
    ("list all", filtered(statuses=tuple(Status))),
    ("list status:all", filtered(statuses=tuple(Status))),
    ("list status:resolved", filtered(statuses=(Status.RESOLVED,))),
    ("list Status:Active,Acknowledged", filtered(statuses=OPEN)),
    ("list status:active|acknowledged", filtered(statuses=OPEN)),
    ("list status:open,active", filtered(statuses=OPEN)),
    ("list status:active status:resolved", filtered(statuses=(Status.ACTIVE, Status.RESOLVED))),
    ("list severity:critical,high", filtered(severities=(Severity.CRITICAL, Severity.HIGH))),
    ("critical", filtered(severities=(Severity.CRITICAL,))),
    ("심각", filtered(severities=(Severity.CRITICAL,))),
    ("resolved", filtered(statuses=(Status.RESOLVED,))),
    ("list critical resolved", filtered(severities=(Severity.CRITICAL,), statuses=(Status.RESOLVED,))),
    ("cluster:Prod-EU", filtered(cluster="Prod-EU")),
    (
        'list cluster:x namespace:"a b" service:y',
        filtered(cluster="x", namespace="a b", service="y"),
    ),
    ("list namespace:“a b”", filtered(namespace="a b")),
    *(
        (f"show {typed_in}", Show(42))
        for typed_in in (
            "#42.",
            "42\u200b",
            "\u206042",
            "INC\u201142",
            "INC–42",
            "No.42",
            "no. 42",
            "nr 42",
            "№42",
            "42번",
            "42 번",
            "42호",
            "#42:",
            "(#42)",
            "＃42",
            "“42”",
            "'42'",
            "「42」",
            "`42`",
            "4️⃣2️⃣",
            "incident 42",
        )
    ),
    *(
        (f"show {typed_in}", Show(1042))
        for typed_in in ("1,042", "1.042", "1'042", "1’042", "1\u202f042", "１，０４２")
    ),
    ("show 1,234,567", Show(1234567)),
    ("/incident show 42", Show(42)),
    ("incident ack 42", Change(Action.ACKNOWLEDGE, 42)),
    ("해결 42 번 롤백", Change(Action.RESOLVE, 42, Notes(action_taken="롤백"))),
    ("resolve #42: it's 'done'", Change(Action.RESOLVE, 42, Notes(action_taken="it's 'done'"))),
    *(
        (f"list service:{mark}a b{end} cluster:x", filtered(service="a b", cluster="x"))
        for mark, end in (
            ("'", "'"),
            ("‘", "’"),
            ("‚", "‘"),
            ("«", "»"),
            ("»", "«"),
            ("‹", "›"),
            ("「", "」"),
            ("『", "』"),
            ("`", "`"),
            ("„", "“"),
            ("＂", "＂"),
        )
    ),
    ("list service:o'brien cluster:x", filtered(service="o'brien", cluster="x")),
    ("list 'service:a b'", filtered(service="a b")),
    ("list service:‘x", filtered(service="x")),
    *(
        (f'list service:"{shown}"', filtered(service=meant))
        for shown, meant in (
            ("ˍinternalˍ", "_internal_"),
            ("∗a∗", "*a*"),
            ("∼a", "~a"),
            ("ˋaˋ", "`a`"),
            (":\u2060a:", ":a:"),
            ("@\u2060here", "@here"),
            ("›a", ">a"),
        )
    ),
    ("상태:해결됨 심각도：심각", filtered(statuses=(Status.RESOLVED,), severities=(Severity.CRITICAL,))),
    ("list service:a:b&amp;c", filtered(service="a:b&c")),
    *((f"{verb} 42", Change(Action.ACKNOWLEDGE, 42)) for verb in ("take", "claim", "접수", "승인", "담당", "인지")),
    *((f"{verb} 42", Change(Action.RESOLVE, 42)) for verb in ("close", "Fix", "종료")),
    ("close 42 rolled back", Change(Action.RESOLVE, 42, Notes(action_taken="rolled back"))),
    *(
        (polite, Change(Action.ACKNOWLEDGE, 42))
        for polite in (
            "please ack 42",
            "ack 42 please",
            "ack 42, please.",
            "I'll take 42",
            "I’ll take #42",
            "can you ack 42",
            "42번 확인",
            "42 번 확인해 주세요",
            "42번 제가 확인할게요",
            "확인해주세요 42",
            "접수합니다 42번",
        )
    ),
    ("please list", ListOpen()),
    ("please 42", Show(42)),
    ("42번", Show(42)),
    ("show 42 please", Show(42)),
    ("해결 42번", Change(Action.RESOLVE, 42)),
    ("42번 해결했습니다", Change(Action.RESOLVE, 42)),
    ("resolve 42 thanks", Change(Action.RESOLVE, 42)),
    ("resolve 42 now it works", Change(Action.RESOLVE, 42, Notes(action_taken="now it works"))),
    *(
        (f"ack {several}", Change(Action.ACKNOWLEDGE, 3, others=(4, 5)))
        for several in (
            "3 4 5",
            "3,4,5",
            "3, 4, 5",
            "#3 #4 and 5",
            "3번 4번 5번",
            "3 4 &amp; 5 please",
            "3、4、5",
            "3+4 INC-5",
        )
    ),
    ("unack 3 4", Change(Action.UNACKNOWLEDGE, 3, others=(4,))),
    ("확인 취소 3, 4", Change(Action.UNACKNOWLEDGE, 3, others=(4,))),
    ("resolve 3 4", Change(Action.RESOLVE, 3, others=(4,))),
    ("resolve 3,4 rolled back", Change(Action.RESOLVE, 3, Notes(action_taken="rolled back"), (4,))),
    ("resolve #3 and #4 rolled back", Change(Action.RESOLVE, 3, Notes(action_taken="rolled back"), (4,))),
    ("resolve 3 2 pods were down", Change(Action.RESOLVE, 3, Notes(action_taken="2 pods were down"))),
    ("resolve 3, 2 pods were down", Change(Action.RESOLVE, 3, Notes(action_taken="2 pods were down"))),
    ("resolve 3 and went home", Change(Action.RESOLVE, 3, Notes(action_taken="and went home"))),
    ("ack 1,042", Change(Action.ACKNOWLEDGE, 1042)),
]


@pytest.mark.parametrize(("text", "command"), UNDERSTOOD)
def test_a_command(text: str, command: Command) -> None:
    assert understand(text) == command


@pytest.mark.parametrize(
    ("text", "nearest", "problem", "subject"),
    [
        ("reslove 42", "resolve 42", Problem.UNKNOWN_COMMAND, "reslove"),
        ("Resolvd #42 done", "resolve 42", Problem.UNKNOWN_COMMAND, "Resolvd"),
        ("acknowledged 42", "ack 42", Problem.UNKNOWN_COMMAND, "acknowledged"),
        ("akc 42", "ack 42", Problem.UNKNOWN_COMMAND, "akc"),
        ("unacknowlege 42", "unack 42", Problem.UNKNOWN_COMMAND, "unacknowlege"),
        ("shwo 42", "show 42", Problem.UNKNOWN_COMMAND, "shwo"),
        ("lst", "list", Problem.UNKNOWN_COMMAND, "lst"),
        ("hepl", "help", Problem.UNKNOWN_COMMAND, "hepl"),
        ("critcal", "list critical", Problem.UNKNOWN_COMMAND, "critcal"),
        ("frobnicate", "help", Problem.UNKNOWN_COMMAND, "frobnicate"),
        ("resolve", "resolve NUMBER", Problem.MISSING_REFERENCE, "resolve"),
        ("확인", "ack NUMBER", Problem.MISSING_REFERENCE, "확인"),
        ("show", "show NUMBER", Problem.MISSING_REFERENCE, "show"),
        ("ack it", "ack NUMBER", Problem.WRONG_REFERENCE, "it"),
        ("ack " + "9" * 19, "ack NUMBER", Problem.WRONG_REFERENCE, "9" * 19),
        ("ack -1", "ack NUMBER", Problem.WRONG_REFERENCE, "-1"),
        ("ack 42 looking into it", "ack 42", Problem.TOO_MUCH, "looking into it"),
        ("ack 42 43 later", "ack 42 43", Problem.TOO_MUCH, "later"),
        ("ack 1 2 3 4 5 6 7 8 9 10 11 12", "ack 1 2 3 4 5 6 7 8 9 10", Problem.TOO_MUCH, "11"),
        ("please", "help", Problem.UNKNOWN_COMMAND, "please"),
        ("show 42 43", "show 42", Problem.TOO_MUCH, "43"),
        ("42 ack", "ack 42", Problem.TOO_MUCH, "ack"),
        ("42 really", "42", Problem.TOO_MUCH, "really"),
        ("list foo:bar", "help", Problem.UNKNOWN_FILTER, "foo:"),
        ('list servce:"a b"', 'list service:"a b"', Problem.UNKNOWN_FILTER, "servce:"),
        ("list resolvd", "list resolved", Problem.UNKNOWN_FILTER, "resolvd"),
        ("list 42", "show 42", Problem.UNKNOWN_FILTER, "42"),
        ("list status:closed", "help", Problem.UNKNOWN_VALUE, "closed"),
        ("list severity:critcal", "list severity:critical", Problem.UNKNOWN_VALUE, "critcal"),
        ("list status:", "list status:active", Problem.UNKNOWN_VALUE, ""),
        ("list cluster:", "list cluster:checkout", Problem.UNKNOWN_VALUE, ""),
    ],
)
def test_a_misunderstanding(text: str, nearest: str, problem: Problem, subject: str) -> None:
    wrong = understand(text, "/oncall")
    assert isinstance(wrong, Misunderstood)
    assert (wrong.nearest, wrong.problem, wrong.subject) == (f"/oncall {nearest}", problem, subject)


@pytest.mark.parametrize(
    "text", ["oncall", "unresolve 3", "nack 3", "list team:shop", "list owner:me", "ack 3,x", "ack 1²"]
)
def test_a_suggestion_keeps_the_meaning_or_is_not_made(text: str) -> None:
    wrong = understand(text)
    assert isinstance(wrong, Misunderstood)
    assert wrong.nearest in ("/incident help", f"/incident ack {NUMBER}")


def test_a_wrong_filter_names_the_right_ones() -> None:
    wrong = understand("list foo:bar")
    assert isinstance(wrong, Misunderstood)
    assert wrong.allowed == ("status:", "severity:", "cluster:", "namespace:", "service:")
    wrong = understand("list severity:bad")
    assert isinstance(wrong, Misunderstood)
    assert (wrong.filter_name, wrong.allowed) == ("severity", ("critical", "high", "warning", "info"))


LINK = "https://acme.slack.com/archives/C0A1B2/p1795935286749478"


@pytest.mark.parametrize(
    "link",
    [
        LINK,
        f"<{LINK}>",
        f"<{LINK}|acme.slack.com/…>",
        f"<{LINK}|the card of #42>",
        f"{LINK}.",
        f"({LINK})",
        f"`{LINK}`",
        f"“{LINK}”",
        f"{LINK}\u200b",
        LINK.replace("acme.slack", "acme.enterprise.slack"),
        LINK.replace("C0A1B2", "c0a1b2"),
        f"{LINK}?cid=C0A1B2",
        "<https://acme.slack.com/archives/C0A1B2/p1795935999000000?thread_ts=1795935286.749478&amp;cid=C0A1B2>",
    ],
)
def test_a_link_to_a_message_names_its_incident(link: str) -> None:
    place = Place("C0A1B2", "1795935286.749478")
    assert understand(link) == Show(place)
    assert understand(f"show {link}") == Show(place)
    assert understand(f"ack {link}") == Change(Action.ACKNOWLEDGE, place)
    assert understand(f"resolve {link} rolled back") == Change(Action.RESOLVE, place, Notes(action_taken="rolled back"))
    wrong = understand(f"list {link}")
    assert isinstance(wrong, Misunderstood)
    assert understand(wrong.nearest.removeprefix("/incident ")) == Show(place)


@pytest.mark.parametrize("text", ["https://grafana.example/d/abc", "<https://x.example|x>", f"service:{LINK}"])
def test_another_link_names_no_incident(text: str) -> None:
    assert not isinstance(understand(text), Show)


@pytest.mark.parametrize(
    ("text", "severities"),
    [
        ("list severity:crit", (Severity.CRITICAL,)),
        ("list severity:P1", (Severity.CRITICAL,)),
        ("list severity:p-1,sev2|minor", (Severity.CRITICAL, Severity.HIGH, Severity.WARNING)),
        ("list severity:1,3", (Severity.CRITICAL, Severity.WARNING)),
        ('list severity:"very high"', (Severity.CRITICAL,)),
        ('list severity:"P1 - Critical"', (Severity.CRITICAL,)),
        ('list severity:"critical high"', (Severity.CRITICAL, Severity.HIGH)),
        ("list 심각도:긴급", (Severity.CRITICAL,)),
        ("list p1", (Severity.CRITICAL,)),
        ("list sev-2 Urgent", (Severity.HIGH, Severity.CRITICAL)),
        ("p1", (Severity.CRITICAL,)),
        ("긴급", (Severity.CRITICAL,)),
    ],
)
def test_severities_go_by_the_words_that_labels_have(text: str, severities: tuple[Severity, ...]) -> None:
    assert understand(text) == filtered(severities=severities)


def test_severities_go_by_the_words_of_the_policy_file() -> None:
    policy = Policy.parse({"severity": {"critical": ["tier-zero", "high"], "info": ["ruhig"]}})
    for text in ("list severity:tier-zero", "list TierZero", 'list severity:"tier zero"'):
        assert understand(text, policy=policy) == filtered(severities=(Severity.CRITICAL,))
    assert understand("list severity:ruhig,high", policy=policy) == filtered(
        severities=(Severity.INFO, Severity.HIGH)
    ), "what Observer shows as High is asked for by that name, whatever the file calls so"
    assert isinstance(understand("list severity:p1", policy=policy), Misunderstood), "the file replaces these words"
    assert isinstance(understand("list severity:tier-zero"), Misunderstood)


@pytest.mark.parametrize(
    "text",
    [
        "list checkout-error",
        "high-cpu",
        "list not critical",
        "list severity:not-urgent-low",
        "list severity:critical,page-high",
    ],
)
def test_a_severity_is_not_guessed_from_a_part_of_a_name(text: str) -> None:
    assert isinstance(understand(text), Misunderstood)


def test_a_number_alone_is_an_incident_and_no_severity() -> None:
    wrong = understand("list 1")
    assert isinstance(wrong, Misunderstood)
    assert wrong.nearest == "/incident show 1"


WORDS = (
    "list", "show", "ack", "resolve", "reopen", "help", "42", "#42", ID, "status:all", "severity:", 'service:"a b"',
    'cluster:"', "critical", "reslove", "목록", "<@U1|a>", "&lt;", '"', ":", "::", "\n", "\x00", "\ud800", "–",
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.sampled_from(WORDS) | st.text(st.characters(), max_size=6), max_size=6).map(" ".join))
def test_whatever_is_typed_is_answered_with_a_form_that_works(text: str) -> None:
    command = understand(text)
    if isinstance(command, Misunderstood):
        assert command.nearest.startswith("/incident ")
        form = command.nearest.removeprefix("/incident ").replace(NUMBER, "42")
        assert not isinstance(understand(form), Misunderstood), command


def test_escapes_are_taken_back_once() -> None:
    assert typed("&amp;lt; &lt;b&gt; <!here> <@U1> <mailto:a@b.example|a@b.example>") == (
        "&lt; <b> @here @U1 a@b.example"
    )


def test_the_body_of_a_command() -> None:
    call = read_command(
        {
            "command": "/incident",
            "text": "ack 42",
            "user_id": "U0ANN",
            "channel_id": "C1",
            "trigger_id": "1",
            "response_url": "https://hooks.slack.example/commands/1",
        }
    )
    assert call.command == Change(Action.ACKNOWLEDGE, 42)
    assert (call.name, call.user_id, call.channel_id) == ("/incident", "U0ANN", "C1")
    assert read_command({"user_id": "U0ANN"}).command == ListOpen()
    with pytest.raises(UnreadablePayload, match="user_id: missing"):
        read_command({"text": "42"})


def test_a_filter_that_is_nearly_right_is_suggested_with_a_value_it_takes() -> None:
    for text in ('" status:all list', "list staus:resolvd", "list severty:bad"):
        wrong = understand(text)
        assert isinstance(wrong, Misunderstood)
        assert not isinstance(understand(wrong.nearest.removeprefix("/incident ")), Misunderstood), wrong

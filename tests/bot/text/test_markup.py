"""Foreign text becomes harmless, and is never cut where it would break."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.text.markup import (
    Mrkdwn,
    clean,
    code,
    cut,
    cut_plain,
    led_by,
    length,
    link,
    mention,
    moment,
    one_line,
    plain,
    safe,
    safe_lines,
    web_address,
)
from tests.bot.blocks.incidents import STARTED, texts

J = "\u2060"


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("plain", "plain"),
        ("결제 서비스", "결제 서비스"),
        ("<!channel>", "&lt;!channel&gt;"),
        ("a & b", "a &amp; b"),
        ("&lt;!here&gt;", "&amp;lt;!here&amp;gt;"),
        ("<@U0ANN> <#C1|x>", "&lt;@U0ANN&gt; &lt;#C1|x&gt;"),
        ("@channel", f"@{J}channel"),
        ("me@here.example", f"me@{J}here.example"),
        ("*bold* _it_ ~no~", "∗bold∗ ˍitˍ ∼no∼"),
        ("`code`", "ˋcodeˋ"),
        ("checkout_errors_total a*b", "checkout_errors_total a*b"),
        ("__name__", "ˍˍnameˍˍ"),
        (":smile: :+1: 12:30", f":{J}smile: :{J}+1: 12:30"),
        ("> quote", "› quote"),
        ("a > b", "a &gt; b"),
        ("nul\x00 bell\x07 \u202eevil", "nul bell evil"),
        ("lone \ud83d", "lone \ufffd"),
        ("  much \r\n\t space  ", "much space"),
        ("\u200b\u3164\u2060 ", ""),
        ("👩‍👩‍👧‍👦", "👩‍👩‍👧‍👦"),
    ],
)
def test_foreign_text_in_markup(foreign: str, shown: str) -> None:
    assert safe(foreign) == shown


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("a < b & c > d", "a < b & c > d"),
        ("*bold* `code`", "*bold* `code`"),
        ("<!channel>", f"<{J}!channel>"),
        ("<@U0ANN>", f"<{J}@U0ANN>"),
        (":smile:", f":{J}smile:"),
    ],
)
def test_foreign_text_in_plain_text(foreign: str, shown: str) -> None:
    assert plain(foreign, 100) == shown
    assert plain(shown, 100) == shown


def test_line_breaks_stay_where_they_may() -> None:
    assert safe_lines("a\r\nb\n\n\n\n> c\n") == "a\nb\n\n› c"
    assert safe_lines("1\n2\n3\n4", lines=2) == "1\n2…"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://g.example/a?b=1&c=2#d", "https://g.example/a?b=1&c=2#d"),
        ("HTTP://g.example", "http://g.example"),
        ("https://g.example/a|b>c<d e", "https://g.example/a%7Cb%3Ec%3Cd%20e"),
        ("https://g.example/%7Cx", "https://g.example/%7Cx"),
        ("https://g.example/경로", "https://g.example/%EA%B2%BD%EB%A1%9C"),
        ("https://ann:secret@g.example/x", "https://g.example/x"),
        ("javascript:alert(1)", ""),
        ("//g.example/", ""),
        ("https://", ""),
        ("https://[::1", ""),
        ("", ""),
    ],
)
def test_addresses(url: str, address: str) -> None:
    assert web_address(url) == address


def test_links_mentions_and_times() -> None:
    assert link("https://g.example/?a&b", "A > B|C") == "<https://g.example/?a&amp;b|A &gt; B/C>"
    assert link("ftp://g.example", "x") == ""
    assert mention("U0ANN") == "<@U0ANN>"
    assert mention("U0ANN> <!here") == "U0ANN&gt; &lt;!here"
    assert moment(STARTED) == "<!date^1795220160^{date_short_pretty} {time}|2026-11-21 00:16 UTC>"
    led = "<!date^1795220160^since {date_short_pretty} {time}|since 2026-11-21 00:16 UTC>"
    assert led_by("since", moment(STARTED)) == led, "Slack writes Today with a capital where a token begins with it"
    assert led_by("since", Mrkdwn("noon")) == "since noon"
    assert code("a`<b>") == "`aˋ&lt;b&gt;`"


@pytest.mark.parametrize(
    ("text", "limit", "kept"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("a&amp;bcd", 6, "a…"),
        ("a&amp;bcd", 7, "a&amp;…"),
        ("see <https://x.example|here> now", 12, "see…"),
        ("<@U0ANN> <@U0BOB>", 16, "<@U0ANN>…"),
    ],
)
def test_markup_is_cut_between_its_parts(text: str, limit: int, kept: str) -> None:
    assert cut(Mrkdwn(text), limit) == kept


@pytest.mark.parametrize(
    "character", ["👩‍👩‍👧‍👦", "🇰🇷", "👍🏽", "e\u0301", "1️⃣", "❤️", "\u1112\u1161\u11ab", "🏴\U000e0067\U000e007f"]
)
@pytest.mark.parametrize("limit", range(20, 60))
def test_a_composed_character_stays_whole(character: str, limit: int) -> None:
    kept = cut_plain(character * 50, limit)
    assert length(kept) <= limit
    body = kept.removesuffix("…")
    assert body == character * (len(body) // len(character))


@settings(deadline=None)
@given(text=texts, limit=st.integers(1, 400))
def test_whatever_it_is_the_limit_holds(text: str, limit: int) -> None:
    for made in (safe(text, limit), safe_lines(text, limit), plain(text, limit), one_line(text, limit)):
        assert length(made) <= limit
    for made in (safe(text, limit), safe_lines(text, limit)):
        assert not re.search(r"[<>]|&(?!(?:amp|lt|gt);)", made)
    assert clean(clean(text)) == clean(text)


def test_megabytes_cost_no_time() -> None:
    began = time.perf_counter()
    for text in ("a" * 10_000_000, ":" * 1_000_000, ":a" * 1_000_000, " " * 1_000_000, "<" * 1_000_000):
        safe(text)
        safe_lines(text)
        plain(text, 75)
    assert time.perf_counter() - began < 2

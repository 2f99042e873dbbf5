"""Text for Slack: how untrusted text becomes safe markup, how it is cut, and the few marks of our own.

Two worlds, kept apart by the type checker: `str` is text that anybody may have written, `Mrkdwn` is markup that Slack
may read. The only ways from one to the other are `safe` and its neighbours here.

What untrusted text could do, and what is done about it:

* `& < >` are escaped, so `<!channel>`, `<@U…>` and links from an alert are mere text. Texts of Slack's `plain_text`
  type cannot be escaped (they would show `&lt;`); there a word joiner follows `<`, so that nobody reads a mention.
* `* _ ~` at the border of a word and every backtick are shown as look-alikes. An invisible character beside them would
  keep them exact, but Slack's formatter is not documented and may take that character for a border. Inside a word
  (`checkout_errors_total`) they never format, so names can still be copied.
* `:name:` and `@channel` get an invisible word joiner after their first character: no emoji or group is called that.
* `>` that begins a line would be a quotation and is shown as `›`.
* NUL and other control characters, and the characters that turn the direction of writing, are removed; lone surrogates,
  which are no text at all, become U+FFFD.

Lengths are counted in UTF-16 units: never fewer than code points, so the limits hold whichever of the two Slack counts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NewType
from urllib.parse import quote, urlsplit, urlunsplit

Mrkdwn = NewType("Mrkdwn", str)
"""Markup that Slack may read: everything untrusted in it is escaped."""

ELLIPSIS = "…"
_WORD_JOINER = "\u2060"
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters and symbols that show nothing

_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]")
_LINE_ENDS = re.compile("\r\n|[\r\x85\u2028\u2029]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_SPACES = re.compile(r"\s+")
_SPACES_IN_LINE = re.compile(r"[^\S\n]+")
_EMPTY_LINES = re.compile(r"\n{3,}")

_FORMATTING = re.compile(r"(?<![A-Za-z0-9])[*_~]|[*_~](?![A-Za-z0-9])|`")
_LOOK_ALIKES = {"*": "∗", "_": "ˍ", "~": "∼", "`": "ˋ"}
_WRITTEN = {ord(shown): mark for mark, shown in _LOOK_ALIKES.items()}
_EMOJI_CODE = re.compile(r":(?=[\w'+-]+:)")
_GROUP_MENTION = re.compile(r"@(?=(?:channel|here|everyone|group)\b)", re.IGNORECASE)
_QUOTATION = re.compile(r"^(\s*)(>+)", re.MULTILINE)
_CONTROL_SEQUENCE = re.compile(r"<(?=[!@#A-Za-z])")

_ATOM = re.compile(r"<[^<>\n]*>|&(?:amp|lt|gt);")
_USER_ID = re.compile(r"[UW][A-Z0-9]{1,40}")
_URL_SAFE = "!#$%&'()*+,/:;=?@[]~"


def length(text: str) -> int:
    """How long Slack may think this text is: its UTF-16 units."""
    return len(text) + sum(char > "\uffff" for char in text)


def clean(text: str) -> str:
    """The text without control characters and changes of direction; line ends are `\\n`, lone surrogates U+FFFD."""
    return _SURROGATES.sub("\ufffd", _CONTROLS.sub("", _LINE_ENDS.sub("\n", text)))


def is_blank(text: str) -> bool:
    """Whether a person would see nothing."""
    return all(char in _BLANK or unicodedata.category(char)[0] in "CZ" for char in text)


def without_invisible(text: str) -> str:
    """The text without what nobody sees and nobody typed: zero-width characters, marks of direction, fillers."""
    return text if text.isascii() and text.isprintable() else "".join(char for char in text if not _is_invisible(char))


def as_written(shown: str) -> str:
    """Untrusted text as it was before it was shown: what people copy out of our messages has look-alikes in it."""
    inside = shown.replace(_WORD_JOINER, "").replace("\u200b", "").replace("\ufeff", "").translate(_WRITTEN)
    begin, end = 0, len(inside)
    while begin < end and (inside[begin].isspace() or _is_invisible(inside[begin])):
        begin += 1
    while end > begin and (inside[end - 1].isspace() or _is_invisible(inside[end - 1])):
        end -= 1
    return re.sub("^›+", lambda found: ">" * len(found[0]), inside[begin:end])


def _is_invisible(char: str) -> bool:
    return (
        char in _BLANK
        or (unicodedata.category(char) in ("Cc", "Cf") and not char.isspace())
        or char == "\u034f"
        or "\ufe00" <= char <= "\ufe0f"
        or "\U000e0100" <= char <= "\U000e01ef"
    )


def one_line(text: str, limit: int) -> str:
    """Untrusted text, cleaned, on one line, at most `limit` long; empty when there is nothing to see."""
    line = _SPACES.sub(" ", clean(_within_reach(text, limit))).strip()
    return "" if is_blank(line) else cut_plain(line, limit)


def some_lines(text: str, limit: int, lines: int) -> str:
    """Untrusted text, cleaned, with its line breaks, at most `limit` long and `lines` lines high."""
    tidy = _SPACES_IN_LINE.sub(" ", clean(_within_reach(text, limit)))
    tidy = _EMPTY_LINES.sub("\n\n", tidy.replace(" \n", "\n").replace("\n ", "\n")).strip()
    if is_blank(tidy):
        return ""
    kept = tidy.split("\n")
    if len(kept) > lines:
        tidy = "\n".join(kept[:lines]).rstrip() + ELLIPSIS
    return cut_plain(tidy, limit)


def plain(text: str, limit: int) -> str:
    """Untrusted text for a `plain_text` object, on one line, without control sequences and emoji codes."""
    return cut_plain(_plain_harmless(one_line(text, limit)), limit)


def plain_lines(text: str, limit: int) -> str:
    """Untrusted text for a `plain_text` object that may have line breaks."""
    return cut_plain(_plain_harmless(some_lines(text, limit, 100)), limit)


def safe(text: str, limit: int = 300) -> Mrkdwn:
    """Untrusted text as markup, on one line; empty when there is nothing to see."""
    return cut(_escaped(one_line(text, limit)), limit)


def safe_lines(text: str, limit: int = 600, lines: int = 12) -> Mrkdwn:
    """Untrusted text as markup, with its line breaks."""
    return cut(_escaped(some_lines(text, limit, lines)), limit)


def joined(separator: str, parts: Iterable[Mrkdwn]) -> Mrkdwn:
    """The parts that are not empty, with a separator of ours between them."""
    return Mrkdwn(separator.join(part for part in parts if part))


def bold(text: Mrkdwn) -> Mrkdwn:
    """The text in bold; an empty one stays empty."""
    return Mrkdwn(f"*{text}*") if text else text


def code(text: str, limit: int = 300) -> Mrkdwn:
    """Untrusted text in a `code` span."""
    inner = one_line(text, limit).replace("`", "ˋ")
    return Mrkdwn(f"`{cut(Mrkdwn(_entities(inner)), limit)}`") if inner else Mrkdwn("")


def mention(user_id: str) -> Mrkdwn:
    """A Slack user; what does not look like the id of one is shown as the text it is."""
    return Mrkdwn(f"<@{user_id}>") if _USER_ID.fullmatch(user_id) else safe(user_id, 80)


def utc(at: datetime) -> str:
    """A time for places where Slack cannot show it in the reader's own time zone."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def moment(at: datetime) -> Mrkdwn:
    """A time that Slack shows in the reader's own time zone and language."""
    return Mrkdwn(f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {{time}}|{utc(at)}>")


def led_by(words: str, at: Mrkdwn) -> Mrkdwn:
    """Words before a time, inside of its token: Slack writes "Today" with a capital only where the token begins so."""
    before, _, shown = at.partition("^{")
    start, _, plain_time = shown.partition("|")
    if not (before.startswith("<!date^") and plain_time):
        return Mrkdwn(f"{words} {at}")
    return Mrkdwn(f"{before}^{words} {{{start}|{words} {plain_time}")


def link(url: str, label: str) -> Mrkdwn:
    """A link with a text of ours; empty when the address is not http or https."""
    address = web_address(url)
    if not address:
        return Mrkdwn("")
    return Mrkdwn(f"<{_entities(address)}|{safe(label, 80).replace('|', '/')}>")


def web_address(url: str) -> str:
    """The address with everything percent-encoded that would end a link; empty when it is not http or https.

    A name and password in it are left out: they are either a secret or a disguise.
    """
    address = clean(url).strip()
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not host:
        return ""
    if "@" in parts.netloc:
        address = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return parts.scheme + quote(address[len(parts.scheme) :], safe=_URL_SAFE)


def cut(text: Mrkdwn, limit: int) -> Mrkdwn:
    """The markup, at most `limit` long: never cut inside a link, a mention, an escape or a composed character."""
    return Mrkdwn(_cut(text, limit, atoms=True))


def cut_plain(text: str, limit: int) -> str:
    """The text, at most `limit` long: never cut inside a character of several parts, such as a family emoji."""
    return _cut(text, limit, atoms=False)


def _within_reach(text: str, limit: int) -> str:
    """A beginning long enough for what `limit` will keep: megabytes are not worked through for 300 characters."""
    return text[: limit * 4 + 1000] + ELLIPSIS if len(text) > limit * 4 + 1000 else text


def _entities(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _escaped(text: str) -> Mrkdwn:
    text = _QUOTATION.sub(lambda found: found[1] + "›" * len(found[2]), text)
    text = _FORMATTING.sub(lambda found: _LOOK_ALIKES[found[0]], text)
    return Mrkdwn(_entities(_without_codes(text)))


def _plain_harmless(text: str) -> str:
    return _without_codes(_CONTROL_SEQUENCE.sub("<" + _WORD_JOINER, text))


def _without_codes(text: str) -> str:
    return _GROUP_MENTION.sub("@" + _WORD_JOINER, _EMOJI_CODE.sub(":" + _WORD_JOINER, text))


def _cut(text: str, limit: int, *, atoms: bool) -> str:
    if length(text) <= limit:
        return text
    room = limit - len(ELLIPSIS)
    end = _last_border(text, room, atoms=atoms)
    if end == 0 and not (atoms and _ATOM.match(text)):
        end = _last_code_point(text, room)  # one character made of hundreds of parts
    return text[:end].rstrip() + ELLIPSIS


def _last_border(text: str, room: int, *, atoms: bool) -> int:
    """The last place within `room` units where the text may be cut."""
    border = index = used = 0
    flag_halves = 0  # regional indicators in a row: two make one flag
    while index < len(text):
        char = text[index]
        if not (index and _belongs_to(text[index - 1], char, flag_halves)):
            border = index
        flag_halves = flag_halves + 1 if _is_flag_half(char) else 0
        atom = _ATOM.match(text, index) if atoms and char in "<&" else None
        piece = atom[0] if atom else char
        used += length(piece)
        if used > room:
            return border
        index += len(piece)
    return index


def _last_code_point(text: str, room: int) -> int:
    used = 0
    for index, char in enumerate(text):
        used += length(char)
        if used > room:
            return index
    return len(text)


def _belongs_to(before: str, char: str, flag_halves: int) -> bool:
    """Whether both are parts of one character as a person sees it."""
    if char < "\u0300":
        return False
    return (
        before == "\u200d"  # zero-width joiner: families, professions
        or char == "\u200d"
        or unicodedata.category(char)[0] == "M"  # accents, variation selectors, keycaps
        or "\u1160" <= char <= "\u11ff"  # vowels and finals of Hangul written in parts
        or "\U0001f3fb" <= char <= "\U0001f3ff"  # skin tones
        or "\U000e0020" <= char <= "\U000e007f"  # the letters inside a flag of a region
        or (_is_flag_half(char) and flag_halves % 2 == 1)
    )


def _is_flag_half(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"

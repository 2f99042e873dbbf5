"""Bodies in another encoding than UTF-8: told by a byte order mark, by the zeros of UTF-16, or by the Content-Type."""

from __future__ import annotations

import codecs
import re

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),  # before UTF-16, whose mark begins that of UTF-32
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# JSON begins with a character of ASCII, so the zeros in front tell how wide characters are (RFC 4627).
_ZEROS: dict[tuple[bool, ...], str] = {
    (True, True, True, False): "utf-32-be",
    (False, True, True, True): "utf-32-le",
    (True, False, True, False): "utf-16-be",
    (False, True, False, True): "utf-16-le",
}
_CHARSET = re.compile(r""";\s*charset\s*=\s*["']?([\w.:-]{1,40})""", re.ASCII | re.IGNORECASE)
_KNOWN = re.compile(
    r"utf-(?:16|32)(?:-[bl]e)?|iso8859-\d+|cp(?:125\d|932|949|950)|koi8-[ru]|euc_(?:kr|jp)|johab|shift_jis\w*|gb(?:2312|k|18030)"
    r"|big5\w*"
)
"""Encodings of texts, by Python's names; it has others that are none, or take long."""


_OTHER_NAMES = {
    **dict.fromkeys(("euc-kr", "ks_c_5601-1987", "x-windows-949"), "cp949"),  # which has all that EUC-KR has
    "windows-31j": "cp932",
}


def in_utf8(body: bytes, content_type: str) -> bytes:
    """The body as UTF-8; these very bytes when they are that, or when nothing tells what else they are."""
    encoding = _encoding(body, content_type)
    if encoding is None:
        return body
    try:
        return body.decode(encoding).encode("utf-8", "replace")
    except UnicodeDecodeError:
        return body


def _encoding(body: bytes, content_type: str) -> str | None:
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return encoding
    if b"\0" in body[:4] and (wide := _ZEROS.get(tuple(not byte for byte in body[:4]))):
        return wide
    if body.isascii() or not (found := _CHARSET.search(content_type)):
        return None
    try:
        body.decode()
    except UnicodeDecodeError:
        return _known(found[1])
    return None


def _known(charset: str) -> str | None:
    try:
        name = codecs.lookup(_OTHER_NAMES.get(charset.lower(), charset)).name
    except LookupError:
        return None
    return name if _KNOWN.fullmatch(name) else None

"""Masks a request's body before anything is made of it."""

from __future__ import annotations

import orjson

from db.model.alert import Unreadable
from db.model.masks import Masks
from receiver.sources.wild import parse_value


def mask_body(body: bytes, masks: Masks) -> tuple[bytes, bool]:
    """The body as it may be kept, and whether that is another one than was sent.

    Texts of a JSON document are masked and the document is written anew; what is no JSON is masked as text. A body
    in which nothing is to be masked stays as it is, byte by byte.
    """
    if not masks.storage:
        return body, False
    try:
        document = parse_value(body)
    except Unreadable:
        masked = masks.unread(body)
        return masked, masked is not body
    document, changed = masks.document(document)
    # A key that stands twice hides its first value from whoever parses the document, and not from who reads the bytes.
    if changed or masks.occur(body):
        return orjson.dumps(document), True
    return body, False

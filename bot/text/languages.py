"""Which words to use for which language."""

from __future__ import annotations

from collections.abc import Mapping

from bot.text.en import ENGLISH
from bot.text.ko import KOREAN
from bot.text.words import Words

LANGUAGES: Mapping[str, Words] = {words.language: words for words in (ENGLISH, KOREAN)}


def words_for(language: str) -> Words:
    """The words of a language, `en` or `ko`. Raises `ValueError` that names the known ones."""
    try:
        return LANGUAGES[language.strip().lower()]
    except KeyError:
        raise ValueError(f"LANGUAGE must be one of {', '.join(LANGUAGES)}, not {language!r}") from None

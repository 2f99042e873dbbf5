"""Everything Observer says, in English and Korean, and the type that keeps our markup apart from foreign text."""

from bot.text.en import ENGLISH
from bot.text.ko import KOREAN
from bot.text.languages import LANGUAGES, words_for
from bot.text.markup import Mrkdwn
from bot.text.words import Words

__all__ = ["ENGLISH", "KOREAN", "LANGUAGES", "Mrkdwn", "Words", "words_for"]

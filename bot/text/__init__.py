"""Everything Observer says, in English and Korean, and the type that keeps our markup apart from other people's text."""

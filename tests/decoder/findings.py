"""A list of what was found wrong, each finding led by its kind, with floods kept short."""

from __future__ import annotations

_SHOWN_PER_KIND = 8


class Findings:
    """Collects findings as ``kind: words``; of each kind the first eight are kept in words and the others counted."""

    def __init__(self) -> None:
        self._words: dict[str, list[str]] = {}
        self._counts: dict[str, int] = {}

    def add(self, kind: str, words: str) -> None:
        count = self._counts.get(kind, 0) + 1
        self._counts[kind] = count
        if count <= _SHOWN_PER_KIND:
            self._words.setdefault(kind, []).append(words)

    def texts(self) -> list[str]:
        """The findings in words, grouped by kind in the order in which the kinds were first met."""
        found: list[str] = []
        for kind, all_words in self._words.items():
            found += [f"{kind}: {words}" for words in all_words]
            hidden = self._counts[kind] - len(all_words)
            if hidden:
                found.append(f"{kind}: and {hidden} more of this kind")
        return found

"""The full text: which texts of a generation are searched, how, and what pieces too short are.

FTS5 cuts each text into every three characters that follow each other (trigrams), so any piece of
three or more is found, in every script. Two line ends close each text: so every character of it
begins a trigram, and a piece of one or two is found by those that begin so.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archiver.index.database import Index

_SEARCHED = ("prompt", "negative_prompt", "name", "model", "id")
_TRIGRAM = 3
MOST_BEGINNINGS = 48
"""A piece that so many trigrams begin with is in so many texts that they need no index."""


def _texts(row: str) -> str:
    """Return the SQL of what is indexed of a generation; `row` is OLD., NEW. or empty."""
    return ", ".join(f"{row}{column} || char(10, 10)" for column in _SEARCHED)


_COLUMNS = ", ".join(_SEARCHED)
_PARTS_MERGED = 8
"""So many parts of the full text become one. SQLite's own 4 cost a rebuild a third more of the time
that it takes to write; with 16 a search has to look into three times as many."""
_ALL_TEXT = " || char(10) || ".join(f"COALESCE({column}, '')" for column in _SEARCHED)
_TAKE_OUT = (
    f"INSERT INTO generations_fts (generations_fts, rowid, {_COLUMNS})"
    f" VALUES ('delete', OLD.number, {_texts('OLD.')})"
)
_PUT_IN = f"INSERT INTO generations_fts (rowid, {_COLUMNS}) VALUES (NEW.number, {_texts('NEW.')})"
_IS_OTHER = " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in _SEARCHED)
COMING = "generations_text_comes"
"""The trigger that makes a generation which is added be found."""
ADDED_SINCE = (
    f"INSERT INTO generations_fts (rowid, {_COLUMNS}) SELECT * FROM searched WHERE number > ?"
)
"""Makes all generations after a number be found."""
SCHEMA = f"""
CREATE VIEW searched (number, {_COLUMNS}) AS SELECT number, {_texts("")} FROM generations;
CREATE VIRTUAL TABLE generations_fts USING fts5(
    {_COLUMNS}, content = 'searched', content_rowid = 'number', tokenize = 'trigram', columnsize = 0
);
INSERT INTO generations_fts (generations_fts, rank) VALUES ('automerge', {_PARTS_MERGED});
CREATE VIRTUAL TABLE trigrams USING fts5vocab(generations_fts, 'instance');
CREATE TRIGGER {COMING} AFTER INSERT ON generations BEGIN {_PUT_IN}; END;
CREATE TRIGGER generations_text_goes AFTER DELETE ON generations BEGIN {_TAKE_OUT}; END;
CREATE TRIGGER generations_text_changes
    AFTER UPDATE OF {_COLUMNS} ON generations
    WHEN {_IS_OTHER} BEGIN {_TAKE_OUT}; {_PUT_IN}; END;
"""
"""A change of no searched text leaves the search alone: that costs more than all the rest."""


def match_of(index: Index, word: str) -> str | None:
    """Return the FTS5 query for a piece of a text: an empty one when no text has it.

    None when too many trigrams begin with it: what is found any other way is to be read for it.
    """
    if len(word) >= _TRIGRAM:
        return _quoted(word)
    found = [one for spelling in _spellings(word) for one in _beginnings(index, spelling)]
    if len(found) >= MOST_BEGINNINGS:
        return None
    return f"({' OR '.join(_quoted(one) for one in found)})" if found else ""


def _spellings(piece: str) -> list[str]:
    """Fold a piece in all ways in which FTS5 may have folded the texts, a character at a time."""
    ways = [{one, one.lower(), one.casefold()} for one in piece]
    return sorted("".join(one) for one in product(*ways))


def has_words(many: int) -> str:
    """Return the SQL that tells of one generation whether it has so many words."""
    return " AND ".join(map(has_word, range(many))) or "1"


def has_word(place: int) -> str:
    """Return the SQL that tells of one generation whether it has the folded `:word0`, and so on."""
    return f"instr(fold({_ALL_TEXT}), :word{place}) > 0"


class _Folding(dict[int, str]):
    """Each character as FTS5 folds it: to one other, never to two as `str.casefold` may.

    It leaves some 300 letters as they are that came into Unicode late, such as Cherokee.
    """

    def __missing__(self, code: int) -> str:
        folded = [chr(code).casefold(), chr(code).lower(), chr(code)]
        self[code] = next(one for one in folded if len(one) == 1)
        return self[code]


_FOLDING = _Folding()


def fold(text: str) -> str:
    """SQL: a text without the difference between capitals and small letters."""
    return text.lower() if text.isascii() else text.translate(_FOLDING)


def _quoted(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


def _beginnings(index: Index, piece: str) -> list[str]:
    """Name the trigrams that begin with a piece, by seeking the next one: no list is read."""
    found: list[str] = []
    while len(found) < MOST_BEGINNINGS:
        row = index.row(
            "SELECT term FROM trigrams WHERE term >= :least LIMIT 1",
            {"least": f"{found[-1]}\x01" if found else piece},
        )
        if row is None or not str(row["term"]).startswith(piece):
            break
        found.append(str(row["term"]))
    return found

"""Records as a table where it fits, else with fewer columns, else a block per record.

Numbers, states and ids are never cut or broken, at whatever width.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from cli.views.printing import safe_text

Cell = str | Text
_BETWEEN: Final = 3  # a space, the line, a space
_PROSE: Final = 24  # columns that are enough to read a sentence in
# What says nothing where a whole column has nothing else.
_NOTHING: Final = frozenset({"", "0", "yes"})


@dataclass(frozen=True)
class Column:
    """A column of records.

    Attributes:
        exact: of numbers, states and ids, which must not be broken; else of prose, which may.
        right: aligned to the right.
        drop: where there is no room the columns with the highest number are left out first; those
            with 0 never are.
    """

    title: str
    exact: bool = True
    right: bool = False
    drop: int = 0


def prose(title: str) -> Column:
    """A column whose texts are broken where the line ends."""
    return Column(title, exact=False)


def number(title: str) -> Column:
    """A column of numbers."""
    return Column(title, right=True)


@dataclass(frozen=True)
class Records:
    """What is printed of some records.

    Attributes:
        total: one more record, set apart below the others.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Text, ...], ...]
    total: tuple[Text, ...] | None = None
    caption: str | None = None
    _all: tuple[tuple[Text, ...], ...] = field(default=(), repr=False)

    @classmethod
    def of(
        cls,
        columns: Sequence[Column],
        rows: Iterable[Sequence[Cell]],
        total: Sequence[Cell] | None = None,
        caption: str | None = None,
    ) -> Records:
        """Records of cells; strings are texts, never markup."""
        cells = tuple(tuple(map(safe_text, row)) for row in rows)
        last = None if total is None else tuple(map(safe_text, total))
        together = cells if last is None else (*cells, last)
        return cls(tuple(columns), cells, last, caption, together)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """A table, or blocks."""
        for chosen in self._choices():
            if self._needed(chosen) <= options.max_width:
                yield self._table(chosen)
                return
        yield from self._blocks()

    def _choices(self) -> Iterator[list[int]]:
        """Columns to show: all but empty ones that may be left out, those that say something, and
        fewer and fewer of these."""
        chosen = [
            at
            for at, column in enumerate(self.columns)
            if not column.drop or any(row[at].plain for row in self._all)
        ]
        yield chosen
        chosen = [at for at in chosen if not {row[at].plain for row in self._all} <= _NOTHING]
        yield chosen
        for least in sorted({column.drop for column in self.columns} - {0}, reverse=True):
            chosen = [at for at in chosen if self.columns[at].drop < least]
            yield chosen

    def _needed(self, chosen: Sequence[int]) -> int:
        return sum(map(self._least, chosen)) + _BETWEEN * max(len(chosen) - 1, 0)

    def _least(self, at: int) -> int:
        """Columns of the terminal without which a column would be cut, or be hard to read."""
        widest = max((line.cell_len for row in self._all for line in row[at].split()), default=0)
        title = Text(self.columns[at].title).cell_len
        if self.columns[at].exact:
            return max(widest, title)
        return max(min(widest, _PROSE), title)

    def _table(self, chosen: Sequence[int]) -> Table:
        table = Table(header_style="bold", show_edge=False, pad_edge=False, caption_justify="left")
        table.caption = self.caption
        for at in chosen:
            column = self.columns[at]
            table.add_column(
                column.title,
                justify="right" if column.right else "left",
                no_wrap=column.exact,
                overflow="fold",
                min_width=self._least(at),
            )
        for row in self.rows:
            table.add_row(*(row[at] for at in chosen))
        if self.total is not None:
            table.add_section()
            table.add_row(*(self.total[at] for at in chosen), style="bold")
        return table

    def _blocks(self) -> RenderResult:
        """Name and value on a line; of a record only what has a value."""
        width = max((len(column.title) for column in self.columns), default=0)
        for number_of, row in enumerate(self._all):
            if number_of:
                yield Text("")
            for column, cell in zip(self.columns, row, strict=True):
                if cell.plain:
                    line = Text(f"{column.title:<{width}}  ", style="bold", overflow="fold")
                    yield _after(line, cell)
        if self.caption:
            yield Text(self.caption, style="dim italic")


def _after(line: Text, cell: Text) -> Text:
    """The cell behind its name; its style is its own."""
    plain = Text(overflow="fold")
    return plain.append_text(line).append_text(cell)

"""A page in the making: its lines, and the tables and figures that will stand beside it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pandas as pd

from ecgpipe.report.figures import standalone
from ecgpipe.report.publish.markdown import escape, line, table


@dataclass
class Page:
    """Lines of Markdown, and other files by their paths relative to the page."""

    lines: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)

    def heading(self, level: int, text: str) -> None:
        """A heading."""
        self._add([f"{'#' * level} {line(text)}"])

    def text(self, *sentences: str) -> None:
        """A paragraph."""
        self._add([line(" ".join(sentences))])

    def bullets(self, sentences: Iterable[str]) -> None:
        """A list, a line each."""
        self._add([f"- {line(sentence)}" for sentence in sentences])

    def table(
        self, head: Sequence[str], rows: Sequence[Sequence[object]], name: str, data: pd.DataFrame | str, words: int = 1
    ) -> None:
        """A table with a link to the same, or more, as CSV.

        Args:
            head: the columns that the page shows.
            rows: their cells.
            name: of the file.
            data: its content: a table, or the text of a CSV file.
            words: see ``markdown.table``.
        """
        if rows:
            self._add(table(head, rows, words))
        self.link("As a file", name, data)

    def plain_table(self, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """A table whose file is linked elsewhere."""
        self._add(table(head, rows))

    def link(self, text: str, name: str, data: pd.DataFrame | str) -> None:
        """A line that says where a table's file is."""
        file = f"tables/{name}.csv"
        self.files[file] = data if isinstance(data, str) else data.to_csv(index=False, lineterminator="\n")
        self._add([f"{escape(text)}: [{name}.csv]({file})"])

    def figure(self, name: str, svg: str, says: str) -> None:
        """A figure with the words that stand for it; one that follows another stands beside it, if there is room."""
        file = f"figures/{name}.svg"
        self.files[file] = standalone(svg)
        if len(self.lines) > 1 and self.lines[-2].startswith("!["):
            self.lines.pop()
        self._add([f"![{escape(says)}]({file})"])

    def _add(self, lines: Sequence[str]) -> None:
        """A block: lines between blank ones."""
        self.lines += [*lines, ""]

"""Files given to a command, page by page: an error of one page does not stop the others."""

import json
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from ecgpipe.cli.parser import Arguments, describe_error
from ecgpipe.errors import DataError, EcgpipeError

Item = TypeVar("Item")
Row = dict[str, Any]


class Batch:
    """The pages of a command's files, and what became of them.

    Args:
        args: of the command: quiet, verbose, json.
        paths: files, records and folders.
        suffixes: of the files to find in folders.

    Attributes:
        files: that exist.
        rows: the results of pages, values for JSON.
        errors: one line each, without the program's name; also printed on stderr, at once.
        failures: names and errors of files and pages without a result.
        complete: whether all files have been read.

    Raises:
        DataError: no file exists, and no JSON is asked for.
    """

    def __init__(self, args: Arguments, paths: Iterable[Path], suffixes: set[str]) -> None:
        from ecgpipe.artifacts.page_files import find_files

        self.args = args
        self.rows: list[Row] = []
        self.errors: list[str] = []
        self.failures: list[tuple[str, str]] = []
        self.complete = False
        files: dict[Path, None] = {}
        self._missing: list[tuple[Path, DataError]] = []
        for path in paths:
            try:
                found = find_files([path], suffixes)
            except DataError as error:
                self._missing.append((path, error))
                continue
            if (note := found.note()) and not args.quiet:
                print(f"ecgpipe: note: {note}", file=sys.stderr)
            for file in found.files:
                if file.exists():
                    files[file] = None
                else:  # also a link to nothing in a folder
                    self._missing.append((file, DataError(f"{file}: no such file or record; check the name")))
        self.files = list(files)
        if not files and not args.json:
            raise EcgpipeError("; ".join(str(error) for _, error in self._missing))

    def run(
        self,
        title: str,
        read: Callable[[Path], Iterable[Any]],
        finish: Callable[[Any], tuple[str, Row]],
        document: Callable[[], Row],
    ) -> None:
        """Read all files; with ``--json``, print the document at the end, also if an error or Ctrl-C ends it early.

        Args:
            title: of the progress.
            read: yields the pages of a file; an error of a page is yielded, too.
            finish: makes a page's text to print, and its row.
            document: the content of the JSON.
        """
        try:
            for path, error in self._missing:
                self._fail(error, path)
            self._read_all(title, read, finish)
            self.complete = True
        finally:
            if self.args.json:
                print(json.dumps(document() | {"complete": self.complete}, indent=1, allow_nan=False))

    def _read_all(
        self, title: str, read: Callable[[Path], Iterable[Any]], finish: Callable[[Any], tuple[str, Row]]
    ) -> None:
        from tqdm import tqdm

        from ecgpipe.progress import progress

        for path in progress(self.files, title, unit="files"):
            for page in _until_error(read(path)):
                try:
                    if isinstance(page, Exception):
                        raise page
                    text, row = finish(page)
                except Exception as error:
                    self._fail(error, path if isinstance(page, Exception) else page.name)
                    continue
                self.rows.append(row)
                if not self.args.json:
                    tqdm.write(text, file=sys.stdout)

    def _fail(self, error: Exception, name: object) -> None:
        self.add_error(error, name)
        self.failures.append((str(name), self.errors[-1]))

    def add_error(self, error: Exception, name: object) -> None:
        """Note the error of a page or file of this name, and print it."""
        from tqdm import tqdm

        if self.args.verbose and not isinstance(error, EcgpipeError):
            traceback.print_exception(error)
        text = describe_error(error, self.args.verbose)
        named = text if isinstance(error, EcgpipeError) else f"{name}: {text}"
        self.errors.append(" ".join(named.split()))
        tqdm.write(f"ecgpipe: {self.errors[-1]}", file=sys.stderr)


def _until_error(items: Iterable[Item]) -> Iterator[Item | Exception]:
    """The items; if the iterator fails, its exception is the last one."""
    try:
        yield from items
    except Exception as error:
        yield error


def counted(number: int, what: str) -> str:
    """A number and its noun, such as 2 pages."""
    return f"{number} {what}{'' if number == 1 else 's'}"

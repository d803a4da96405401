"""Errors that users can cause. Every message names the file, record or key, the problem, and the remedy."""


class EcgpipeError(Exception):
    """Base class; the command line shows these errors without a traceback."""


def one_line(error: Exception) -> str:
    """The message of another library's error, which damaged files can fill with anything, as one printable line."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in str(error)).split())


class ConfigError(EcgpipeError):
    """The configuration is invalid."""


class DataError(EcgpipeError):
    """An input file is missing, damaged, or contradicts another one."""


class SourceError(EcgpipeError):
    """Raw files that the workflow downloaded or made are damaged. The run ends, since it can make them again."""


class RecordError(DataError):
    """One record or image cannot be used; others are not affected.

    Args:
        record: the record's id.
        file: the file with the problem.
        problem: the kind of problem, one stable word for the ``problems`` table.
        detail: what is wrong.
    """

    def __init__(self, record: str, file: str, problem: str, detail: str) -> None:
        super().__init__(f"record {record}: {file}: {detail}")
        self.record = record
        self.file = file
        self.problem = problem
        self.detail = detail

    def __reduce__(self) -> tuple:
        return type(self), (self.record, self.file, self.problem, self.detail)

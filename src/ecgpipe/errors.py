"""The errors that a user can cause, and so must be able to read.

Every message names the thing (file, record or key), what is wrong with it, and the remedy.
"""


class EcgpipeError(Exception):
    """Base of all errors that are shown without a traceback."""


class ConfigError(EcgpipeError):
    """The configuration asks for something that does not exist or cannot be."""


class DataError(EcgpipeError):
    """An input file is missing, broken, or disagrees with another one."""


class RecordError(DataError):
    """One record (or image) is unusable; the others are not affected.

    Args:
        record: the record's id.
        file: the file that shows the problem.
        problem: a short stable word for the kind of problem, as in the ``problems`` table.
        detail: what is wrong, in a sentence.
    """

    def __init__(self, record: str, file: str, problem: str, detail: str) -> None:
        super().__init__(f"record {record}: {file}: {detail}")
        self.record = record
        self.file = file
        self.problem = problem
        self.detail = detail

    def __reduce__(self) -> tuple:
        return type(self), (self.record, self.file, self.problem, self.detail)

"""All targets of fuzzing."""

from pathlib import Path

from tests.fuzz.pages import picture_targets, reader_targets
from tests.fuzz.records import record_targets
from tests.fuzz.settings import model_targets, setting_targets
from tests.fuzz.tables import table_targets
from tests.fuzz.target import Target


def targets(folder: Path) -> list[Target]:
    """All readers; their files are below ``folder``."""
    found = list(picture_targets())
    for make in (record_targets, table_targets, setting_targets, model_targets):
        place = folder / make.__name__
        place.mkdir()
        found += make(place)
    return [*found, *reader_targets()]

"""The Challenge's header files: WFDB headers with the page's images and the record's labels in comments."""

from dataclasses import dataclass
from pathlib import Path

from ecgpipe.artifacts.wfdb_header import header_text
from ecgpipe.errors import DataError

IMAGES, LABELS = "# Image:", "# Labels:"
LARGEST = 32767  # of 16 bits, as which the runner stores signals


@dataclass(frozen=True)
class ChallengeHeader:
    """What the adapter reads of a header.

    Attributes:
        file: the header.
        rate: samples per second.
        samples: of each signal.
        names: of the signals, in the order in which they are expected.
        limit: mV, the largest value that the header's gains can store.
        images: files beside the header.
        labels: empty in held-out records.
    """

    file: Path
    rate: float
    samples: int
    names: tuple[str, ...]
    limit: float
    images: tuple[Path, ...]
    labels: tuple[str, ...]


def read_header(record: str | Path) -> ChallengeHeader:
    """Read the header of a record.

    Args:
        record: path without suffix.

    Raises:
        DataError: missing, or not a header of signals.
    """
    file = Path(f"{record}.hea")
    try:
        lines = [line.rstrip() for line in header_text(file.read_bytes()).splitlines()]
        plain = [line.split(" ") for line in lines if line and not line.startswith("#")]
        _, count, rate, samples = plain[0][:4]
        signals = plain[1 : int(count) + 1]
        # held-out headers leave the fields between the fifth and the name empty
        names = tuple(" ".join(words[8:]).strip() for words in signals)
        header = ChallengeHeader(
            file,
            float(rate.split("/")[0]),
            int(samples),
            names,
            min(_limit(words[2]) for words in signals),
            tuple(file.parent / name for name in _listed(lines, IMAGES)),
            tuple(_listed(lines, LABELS)),
        )
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error})") from error
    except (ValueError, IndexError) as error:
        raise DataError(f"{file}: not a header of the Challenge ({error})") from error
    if len(names) != int(count) or header.rate <= 0 or header.samples <= 0:
        raise DataError(f"{file}: its first line states {count} signals, {rate} Hz and {samples} samples")
    return header


def find_records(folder: str | Path) -> list[Path]:
    """All records below a folder, as paths without suffix, sorted."""
    return sorted(path.with_suffix("") for path in Path(folder).rglob("*.hea"))


def _limit(field: str) -> float:
    """mV of a field such as ``1000.0(0)/mV``."""
    gain, _, baseline = field.split("/")[0].partition("(")
    return (LARGEST - abs(int(baseline.rstrip(")") or 0))) / float(gain)


def _listed(lines: list[str], prefix: str) -> list[str]:
    parts = [part.strip() for line in lines if line.startswith(prefix) for part in line[len(prefix) :].split(",")]
    return [part for part in parts if part]

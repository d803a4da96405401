"""Targets: tables, lists and files of results."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ecgpipe.acquire.header_labels import read_code_table
from ecgpipe.acquire.labels import make_labels, read_grouping
from ecgpipe.acquire.own import list_own_records
from ecgpipe.acquire.ptbxl import list_ptbxl_records
from ecgpipe.acquire.simulate.dataset import simulate_dataset
from ecgpipe.artifacts.digitized import DigitizedRecord, read_digitized, write_digitized
from ecgpipe.artifacts.files import read_sums
from ecgpipe.artifacts.tables import RECORDS
from ecgpipe.config.data import LabelsConfig
from ecgpipe.config.own import OwnConfig
from tests.fuzz.target import Target, stored


def table_targets(folder: Path) -> Iterator[Target]:
    """Tables of labels, lists, and files of results."""
    copy = folder / "copy"
    simulate_dataset(copy, records=12, seed=1)
    records = list_ptbxl_records(copy, 100, 1000)[0]
    policy = LabelsConfig(policy="multilabel", grouping="subclass")
    for name, lines, read in (
        ("ptbxl_database.csv", 6, lambda: list_ptbxl_records(copy, 100, 1000)),
        ("scp_statements.csv", 80, lambda: make_labels(records, *read_grouping(copy, "subclass"), policy)),
    ):
        whole = (copy / name).read_bytes()
        good = b"".join(whole.splitlines(keepends=True)[:lines])
        yield Target(name, [good], stored(copy / name, read, whole), (name, str(copy), "label"))

    grouping = folder / "grouping.csv"
    good = b"statement,class\nNORM,good\nIMI,bad\nASMI,bad\n"
    yield Target("grouping", [good], stored(grouping, lambda: read_grouping(copy, str(grouping))), (str(grouping),))

    codes = folder / "codes.csv"
    good = b"code,abbreviation,name,classes,alone\n426783006,NSR,rhythm,,NORM\n39732003,LAD,axis,CD;X,\n"
    yield Target("code table", [good], stored(codes, lambda: read_code_table(codes)), (str(codes), "code_table"))

    own = folder / "own"
    own.mkdir()
    for number in range(6):
        (own / f"r{number}.hea").touch()
    rows = "".join(f"r{i},{'ab'[i % 2]},p{i},{i},{40 + i},{'mf'[i % 2]}\n" for i in range(6))
    columns = {"patient": "who", "fold": "fold", "age": "age", "sex": "sex"}
    config = OwnConfig(kind="signals", source=str(own), labels="labels.csv", columns=columns)
    read = stored(own / "labels.csv", lambda: list_own_records("mine", config))
    yield Target("own labels", [f"path,label,who,fold,age,sex\n{rows}".encode()], read, ("labels.csv", "own.mine"))

    (folder / "sums").mkdir()  # elsewhere it would be taken for the list of the other files
    sums = folder / "sums/SHA256SUMS.txt"
    good = f"{'0' * 64}  a/b.dat\n{'1' * 64} *c.hea\n".encode()

    def read_inside() -> None:
        assert all((sums.parent / name).resolve().is_relative_to(sums.parent.resolve()) for name in read_sums(sums))

    yield Target("checksums", [good], stored(sums, read_inside), (str(sums),))

    table = folder / "records.parquet"
    RECORDS.write(records, table)
    good = table.read_bytes()
    yield Target("records.parquet", [good], stored(table, lambda: RECORDS.read(table)), (str(table),))

    digitized = folder / "digitized.npz"
    write_digitized([DigitizedRecord("a", np.zeros((12, 50), np.float32), {"notes": []})], digitized)
    good = digitized.read_bytes()
    yield Target("digitized", [good], stored(digitized, lambda: read_digitized(digitized)), (str(digitized),))

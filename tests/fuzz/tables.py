"""Targets: tables, lists and files of results."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ecgpipe.acquire.header_labels import read_code_table
from ecgpipe.acquire.labels import read_grouping
from ecgpipe.acquire.own import list_own_records
from ecgpipe.acquire.ptbxl import list_ptbxl_records
from ecgpipe.acquire.simulate.dataset import simulate_dataset
from ecgpipe.artifacts.digitized import DigitizedRecord, read_digitized, write_digitized
from ecgpipe.artifacts.files import read_sums
from ecgpipe.artifacts.tables import RECORDS
from ecgpipe.config.own import OwnConfig
from tests.fuzz.target import Target, restored, stored


def table_targets(folder: Path) -> Iterator[Target]:
    """Tables of labels, lists, and files of results."""
    copy = folder / "copy"
    simulate_dataset(copy, records=5, seed=1)
    for name, read in (
        ("ptbxl_database.csv", lambda: list_ptbxl_records(copy, 100, 1000)),
        ("scp_statements.csv", lambda: read_grouping(copy, "subclass")),
    ):
        good = (copy / name).read_bytes()
        good = b"".join(good.splitlines(keepends=True)[:6])
        named = (name, str(copy), "label")
        yield Target(name, [good], restored(copy / name, read, (copy / name).read_bytes()), named)

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
    yield Target("checksums", [good], stored(sums, lambda: read_sums(sums)), (str(sums),))

    table = folder / "records.parquet"
    RECORDS.write(list_ptbxl_records(copy, 100, 1000)[0], table)
    good = table.read_bytes()
    yield Target("records.parquet", [good], stored(table, lambda: RECORDS.read(table)), (str(table),))

    digitized = folder / "digitized.npz"
    write_digitized([DigitizedRecord("a", np.zeros((12, 50), np.float32), {"notes": []})], digitized)
    good = digitized.read_bytes()
    yield Target("digitized", [good], stored(digitized, lambda: read_digitized(digitized)), (str(digitized),))

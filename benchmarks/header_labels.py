"""How well the classes of header codes agree with PTB-XL's own, on PTB-XL.

    python -m benchmarks.header_labels FOLDER

FOLDER has ptbxl_database.csv (release 1.0.1, as in the Challenges) and, there or one level up, scp_statements.csv. The
Challenges turned PTB-XL's statements and axes into SNOMED CT codes; the column ``statements`` of the package's table of
codes gives the mapping. Here the codes are made in the same way and get their classes from the table, which are
compared with the superclasses of the statements.
"""

import argparse
import csv
import json
from collections import Counter
from pathlib import Path

import pandas as pd

from ecgpipe.acquire.header_labels import CODE_TABLE, classes_of_codes, read_code_table
from ecgpipe.acquire.labels import read_grouping
from ecgpipe.acquire.ptbxl import DATABASE, STATEMENTS, read_database

AXES = {"LAD": "39732003", "ALAD": "39732003", "RAD": "47665007", "ARAD": "47665007", "AXL": "251200008",
        "AXR": "251200008", "SAG": "251200008"}  # fmt: skip
"""Value of the column heart_axis -> code."""


def challenge_codes(folder: Path) -> list[list[str]]:
    """The SNOMED CT codes of PTB-XL's records in the Challenges, in the order of their numbers."""
    with open(CODE_TABLE, newline="", encoding="utf-8") as file:
        statements = {row["code"]: set(row["statements"].split(";")) - {""} for row in csv.DictReader(file)}
    axes = pd.read_csv(folder / DATABASE, index_col="ecg_id").sort_index()["heart_axis"]
    given = read_database(folder)["scp_codes"]
    return [
        [code for code, names in statements.items() if names & set(found)] + ([AXES[axis]] if axis in AXES else [])
        for found, axis in zip(given, axes, strict=True)
    ]


def superclasses(folder: Path, codes: list[list[str]]) -> tuple[list[set[str]], list[set[str]]]:
    """The classes of each record by its codes, and by its statements."""
    records = pd.DataFrame({"statements": [json.dumps(dict.fromkeys(found, 100.0)) for found in codes]})
    made = [set(json.loads(text)) for text in classes_of_codes(records, read_code_table())[0]["statements"]]
    group_of, _ = read_grouping(folder if (folder / STATEMENTS).is_file() else folder.parent, "superclass")
    return made, [
        {group_of[name] for name in found if name in group_of} for found in read_database(folder)["scp_codes"]
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    codes = challenge_codes(folder)
    made, true = superclasses(folder, codes)
    print("class  by codes  by statements  by both")
    by_codes, by_statements = (Counter(name for names in found for name in names) for found in (made, true))
    both = Counter(name for one, other in zip(made, true, strict=True) for name in one & other)
    for name, count in by_statements.most_common():
        print(f"{name:5} {by_codes[name]:9} {count:14} {both[name]:8}")
    same = sum(one == other for one, other in zip(made, true, strict=True))
    print(f"records: {len(made)}, the same classes: {same}, no class by codes: {sum(not names for names in made)}")
    print("records by code:", dict(Counter(code for found in codes for code in found).most_common()))


if __name__ == "__main__":
    main()

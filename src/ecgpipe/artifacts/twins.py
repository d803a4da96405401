"""audit/twins.parquet: which records of a data set are copies of each other.

``identical`` is the smallest record id with the same content, byte by byte (images: the file; signals: the samples);
``twin`` the smallest id of those that are linked to the record by identical or near-identical content, in one or more
steps. A record without a copy names itself in both.
"""

from pathlib import Path

import pandas as pd
import pyarrow as pa

from ecgpipe.artifacts.table import TableFormat

TWINS = TableFormat("twins", pa.schema([("record_id", pa.string()), ("identical", pa.string()), ("twin", pa.string())]))


def with_content(records: pd.DataFrame, twins: Path | str) -> pd.DataFrame:
    """Records whose ``content`` tells identical files by the audit, for data sets whose listing has no checksums."""
    table = TWINS.read(twins, ["record_id", "identical"], records["record_id"].to_numpy())
    identical = table.set_index("record_id")["identical"]
    return records.assign(content=identical.reindex(records["record_id"]).to_numpy())

"""splits/<protocol>/seed-<n>.parquet: the role of every record that takes part under a protocol."""

import pyarrow as pa

from ecgpipe.artifacts.table import TableFormat

SPLIT = TableFormat("split", pa.schema([("record_id", pa.string()), ("role", pa.string())]))

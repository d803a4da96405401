"""images/<shard>.index.parquet: which record each row of a shard's image array is, and its share of ink."""

import pyarrow as pa

from ecgpipe.artifacts.table import TableFormat

IMAGE_INDEX = TableFormat(
    "image index",
    pa.schema([("record_id", pa.string()), ("ink", pa.float32())]),
)

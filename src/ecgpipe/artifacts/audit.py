"""The audit's tables, all below ``results/<dataset>/audit/``.

<shard>.parquet (SKETCHES): a row per record. ``digest`` is the SHA-256 of an image file, or of a signal's samples in mV
with its sampling rate; ``form`` JSON of what most records of a data set share (sampling rate, duration, gain, units and
order of leads; size, mode and format of images); ``anomalies`` JSON, a list of (kind, detail); ``sketch`` int8, a
vector to search with, and ``detail`` int8, what decides (both empty where the record cannot be read).
pairs.parquet: near-identical pairs of different content; of a group of identical records only the first is named.
anomalies.parquet: what is odd about a record.
"""

import pyarrow as pa

from ecgpipe.artifacts.table import TableFormat

SKETCHES = TableFormat(
    "sketches",
    pa.schema(
        [
            ("record_id", pa.string()),
            ("digest", pa.string()),
            ("form", pa.string()),
            ("anomalies", pa.string()),
            ("sketch", pa.binary()),
            ("detail", pa.binary()),
        ]
    ),
)
PAIRS = TableFormat("pairs", pa.schema([("first", pa.string()), ("second", pa.string()), ("similarity", pa.float32())]))
ANOMALIES = TableFormat(
    "anomalies", pa.schema([("record_id", pa.string()), ("kind", pa.string()), ("detail", pa.string())])
)

"""records.parquet: a row per record (or image) of a data set, before any choice of labels.

``statements`` holds what the source says of the record, as JSON: {code: likelihood in percent}. For image folders
the one code is the class folder, at 100. ``path`` is relative to the data set's folder: for signals without suffix
(WFDB's record name), for images with. ``content`` is the SHA-256 of an image file, empty for signals.
"""

import pyarrow as pa

from ecgpipe.artifacts.table import TableFormat

RECORDS = TableFormat(
    "records",
    pa.schema(
        [
            ("record_id", pa.string()),
            ("patient_id", pa.string()),
            ("shard", pa.string()),
            ("path", pa.string()),
            ("fold", pa.int16()),
            ("age", pa.float32()),
            ("sex", pa.string()),
            ("statements", pa.string()),
            ("content", pa.string()),
        ]
    ),
)

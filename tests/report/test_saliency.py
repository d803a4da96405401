"""Sentences about saliency."""

import cv2
import numpy as np
import pytest

from ecgpipe.artifacts.files import write_checksums
from ecgpipe.errors import DataError
from ecgpipe.report.pictures import overlay_sheet
from ecgpipe.report.saliency import _brief


@pytest.mark.parametrize(
    ("low", "high", "beside_chance", "words"),
    [(0.1, 0.3, "lies on the traces more", "more"),
     (-0.1, 0.3, "does not lie on the traces significantly more", "not significantly more"),
     (None, None, "does not lie on the traces significantly more", "not significantly more"),
     (-0.3, -0.1, "lies on the traces less", "less")],
)  # fmt: skip
def test_an_interval_that_includes_0_is_not_called_no_more(low, high, beside_chance, words):
    difference = {"value": 0.1, "low": low, "high": high}
    trained = {"value": 0.4, "above_chance": difference}
    rows = [{"measure": "trace", "common": {"trained": trained, "difference": difference}}]
    assert _brief(rows, "trace") == (
        f"{beside_chance} than chance predicts, and {words} than that of a network with random weights"
    )
    trained["above_chance"] = {"value": 0.1, "low": -0.1, "high": 0.3}
    if words == "more":
        assert _brief(rows, "trace").endswith(
            "than chance predicts, but more than that of a network with random weights"
        )


def test_a_damaged_sheet_is_named(tmp_path):
    sheet = tmp_path / "saliency.png"
    sheet.write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"saliency.png: "):
        overlay_sheet(sheet)
    cv2.imwrite(str(sheet), np.full((40, 60, 3), 200, np.uint8))
    assert overlay_sheet(sheet).width == 60
    write_checksums([sheet])
    cv2.imwrite(str(sheet), np.full((40, 60, 3), 100, np.uint8))
    with pytest.raises(DataError, match="differs from its checksum"):
        overlay_sheet(sheet)

"""The audit in the report."""

import base64
import json

import cv2
import numpy as np
import pandas as pd

from ecgpipe.artifacts.files import write_json
from ecgpipe.artifacts.pages import StoredPage, StoredPages, write_pages
from ecgpipe.artifacts.tables import DUPLICATES
from ecgpipe.report.audit import audit_view, duplicate_groups
from ecgpipe.report.build import html_environment
from ecgpipe.report.figures import leak_figure
from ecgpipe.report.pictures import record_pictures, thumbnail

SUMMARY = {
    "kind": "images", "records": 9, "distinct": 7, "distinct_groups": 6, "unreadable": 0, "patients": None,
    "patients_with_several": None, "conflicts": [], "anomalies": {"blank": 1},
}  # fmt: skip


def render(dataset, duplicates, figure=None):
    template = html_environment().get_template("audit.html.j2")
    return template.render(dataset=dataset, duplicates=duplicates, figure=figure)


def test_mean_leaks_over_seeds(tmp_path):
    counts = {"records": 8, "near": 4, "patient": None}
    leaks = [
        {"protocol": "paper", "seed": seed, "roles": {"validation": counts | {"identical": found}}}
        for seed, found in enumerate((2, 4))
    ]
    write_json(tmp_path / "audit.json", SUMMARY)
    write_json(tmp_path / "leaks.json", leaks)
    view = audit_view(tmp_path / "audit.json", tmp_path / "leaks.json")
    assert view["any_leak"]
    assert view["leaks"] == [
        {"protocol": "paper", "role": "validation", "records": 8, "identical": 0.375, "near": 0.5, "patient": None}
    ]
    figure = {"leaks-x": leak_figure(view["leaks"])}
    text = render({"name": "x", "audit": view}, [], figure)
    assert "37.5%" in text
    assert "unknown" in text
    assert "<svg" in text
    # unknown is not 0: neither a bar nor an entry in the legend
    assert "identical" in figure["leaks-x"] and "same patient" not in figure["leaks-x"]
    assert "same patient" in leak_figure([view["leaks"][0] | {"patient": 0.25}])


def test_without_leaks_there_is_a_table_of_zeros_but_no_chart():
    row = {"protocol": "p", "role": "test", "records": 8, "identical": 0.0, "near": 0.0, "patient": None}
    text = render({"name": "x", "audit": SUMMARY | {"leaks": [row], "any_leak": False}}, [], {})
    assert "0.0%" in text and "<figure" not in text
    assert "not audited" in render({"name": "x", "audit": None}, [])


def test_pictures_of_transparent_pages_are_white(tmp_path):
    page = np.zeros((60, 80, 4), np.uint8)
    page[20:24, :, 3] = 255  # black ink, nothing around it
    content = cv2.imencode(".png", page)[1].tobytes()
    write_pages([StoredPage("a", content, "")], tmp_path / "00.parquet")
    shown = record_pictures(["a"], StoredPages([tmp_path / "00.parquet"]), [], [])["a"]["page"]
    for picture in (shown, thumbnail(content, 80)):
        encoded = np.frombuffer(base64.b64decode(picture.src.partition(",")[2]), np.uint8)
        assert np.median(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)) > 250
    assert thumbnail(b"no picture", 80) is None


def test_the_most_relevant_duplicates_come_first(tmp_path):
    """Seven groups: of 6, 5, 4, 3 and 2 identical records, one near-identical pair, one pair with a conflict."""
    rows = []
    for group, size in enumerate((6, 5, 4, 3, 2)):
        rows += [{"record_id": f"g{group}-{i}", "identical": f"g{group}-0", "near": f"g{group}-0"} for i in range(size)]
    rows += [{"record_id": name, "identical": name, "near": "near-a"} for name in ("near-a", "near-b")]
    rows += [
        {"record_id": name, "identical": "conflict-a", "near": "conflict-a"} for name in ("conflict-a", "conflict-b")
    ]
    rows += [{"record_id": "alone", "identical": "alone", "near": "alone"}]
    DUPLICATES.write(rows, tmp_path / "duplicates.parquet")
    statements = {
        row["record_id"]: json.dumps({"AF" if row["record_id"] == "conflict-b" else "SR": 100.0}) for row in rows
    }
    records = pd.DataFrame({"record_id": list(statements), "statements": list(statements.values())})
    page = np.random.default_rng(0).integers(0, 256, (600, 900, 3), np.uint8)
    encoded = cv2.imencode(".png", cv2.GaussianBlur(page, (0, 0), 5))[1].tobytes()
    write_pages([StoredPage(name, encoded, "") for name in statements if name != "g1-1"], tmp_path / "00.parquet")
    groups = duplicate_groups(tmp_path / "duplicates.parquet", records, StoredPages([tmp_path / "00.parquet"]))
    shown = [[page["record_id"] for page in group["shown"]] for group in groups]
    assert shown == [
        ["conflict-a", "conflict-b"],
        ["near-a", "near-b"],
        ["g0-0", "g0-1", "g0-2"],
        ["g1-0", "g1-2"],  # one has no page
        ["g2-0", "g2-1", "g2-2"],
    ]
    assert [(group["records"], group["distinct"], group["conflict"]) for group in groups[:3]] == [
        (2, 1, True), (2, 2, False), (6, 1, False)
    ]  # fmt: skip
    assert groups[0]["shown"][1]["statements"] == "AF"
    assert sum(len(page["thumbnail"].src) for group in groups for page in group["shown"]) < 200_000
    text = render({"name": "x", "audit": SUMMARY | {"leaks": []}}, groups)
    assert text.count("<img") == 12
    assert "gives different statements" in text

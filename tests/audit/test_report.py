"""The report's part on the audit."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from ecgpipe.artifacts.atomic import write_json
from ecgpipe.report.audit import audit_view

SUMMARY = {
    "kind": "images", "records": 9, "distinct": 7, "distinct_groups": 6, "unreadable": 0, "patients": None,
    "patients_with_several": None, "conflicts": [], "anomalies": {"blank": 1},
}  # fmt: skip


def test_mean_shares_over_seeds_and_the_text(tmp_path):
    counts = {"records": 8, "near": 4, "patient": None}
    leaks = [
        {"protocol": "paper", "seed": seed, "roles": {"validation": counts | {"identical": found}}}
        for seed, found in enumerate((2, 4))
    ]
    write_json(tmp_path / "audit.json", SUMMARY)
    write_json(tmp_path / "leaks.json", leaks)
    view = audit_view(tmp_path / "audit.json", tmp_path / "leaks.json")
    assert view["leaks"] == [
        {"protocol": "paper", "role": "validation", "records": 8, "identical": 0.375, "near": 0.5, "patient": None}
    ]
    environment = Environment(loader=PackageLoader("ecgpipe.report"), undefined=StrictUndefined)
    text = environment.get_template("audit.html.j2").render(dataset={"audit": view})
    assert "37.5%" in text
    assert "unknown" in text
    assert "<svg" in text
    write_json(tmp_path / "leaks.json", [])
    assert audit_view(tmp_path / "audit.json", tmp_path / "leaks.json")["leak_figure"] is None

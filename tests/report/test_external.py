"""External validation in the report: what it says of an entry, and that names cannot become HTML or Markdown."""

import csv
import json

import pytest

from ecgpipe.report.external import external_sentences, external_views
from ecgpipe.report.publish import publish
from tests.report.made import EVIL_CLASS


@pytest.fixture(scope="module")
def content(built):
    return json.loads((built.results / "report/report.json").read_text())


def test_a_table_by_dataset_with_all_three_models(built, content):
    (view,) = content["external"]
    (model,) = view["models"]
    row, by_class = list(csv.DictReader((built.results / "report/tables/external.csv").open()))
    assert (row["trained on"], row["scored on"]) == ("Simulated records", "ECG Images dataset of Cardiac Patients")
    for column, side in (
        ("AUC on own dataset", "source"),
        ("AUC", "external"),
        ("AUC of model trained there", "internal"),
    ):
        assert float(row[column]) == pytest.approx(model["scores"][side]["auc_macro"]["value"])
    difference = float(row["AUC"]) - float(row["AUC of model trained there"])
    assert float(row["AUC minus model trained there"]) == pytest.approx(difference)
    assert (by_class["class"], int(by_class["positive"])) == ("NORM", view["support"]["NORM"])


def test_the_page_says_what_is_shared_and_fitted_and_how_images_differ(built, content):
    page = (built.results / "report/index.html").read_text()
    assert '<a href="#external">' in page and '<h2 id="external">' in page
    notes = " ".join(content["external"][0]["notes"])
    assert "same: NORM (NORM in Simulated records, Normal in ECG Images dataset" in notes
    assert "drawn from recordings of 100 Hz" in notes and "read from pictures" in notes
    assert "also the scored ones" not in notes
    assert (built.results / "report/figures/external-simulated-patient-cardiac-images-paper-resnet34.svg").is_file()
    assert sum("of Simulated records has a macro AUC" in sentence for sentence in content["summary"]) == 1


def test_the_published_page_has_the_section(built, tmp_path):
    publish(built.results, tmp_path / "page")
    page = (tmp_path / "page/index.md").read_text()
    assert "## External validation" in page and "(tables/external.csv)" in page


def test_names_stay_text(evil):
    page = (evil.results / "report/index.html").read_text()
    assert EVIL_CLASS not in page and "a|b*c* in ECG Images" in page


def test_scores_of_records_that_stopped_the_training_are_called_optimistic(built, tmp_path):
    content = json.loads(next((built.results / "cardiac-images/external").rglob("*.json")).read_text())
    sides = {"source_role": "model's scores on its own dataset", "role": "scores of the model trained there"}

    def optimistic(changed):
        (tmp_path / "x.json").write_text(json.dumps(changed))
        (view,) = external_views([tmp_path / "x.json"], {}, {})
        return [note for note in view["notes"] if "when its training stopped" in note]

    assert optimistic(content) == []
    for role, words in sides.items():
        (note,) = optimistic(content | {role: "validation"})
        assert words in note and "are optimistic" in note
    content["models"][0]["scores"]["internal"]["auc_macro"] = None
    assert optimistic(content | {"role": "validation"}) == []


def test_images_of_the_same_kind_need_no_note_and_validation_records_do(built, tmp_path):
    file = next((built.results / "cardiac-images/external").rglob("*.json"))
    changed = json.loads(file.read_text())
    changed |= {"role": "validation", "images": dict.fromkeys(("source", "target"), changed["images"]["source"])}
    changed["models"][0]["scores"]["internal"]["auc_macro"] = None
    (tmp_path / "x.json").write_text(json.dumps(changed))
    (view,) = external_views([tmp_path / "x.json"], {}, {})
    assert not any("preprocess" in note for note in view["notes"])
    assert "also the scored ones" in " ".join(view["notes"])
    assert "trained there" not in external_sentences([view])[0] and "simulated" in external_sentences([view])[0]

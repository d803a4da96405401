"""The HTML page, report.json, the tables and the explorer's data."""

import csv
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.config.analysis import ReportConfig
from ecgpipe.errors import DataError
from ecgpipe.report.build import build_report
from ecgpipe.report.collect import Run, first_seeds
from ecgpipe.report.pictures import choose_pictured, explorer_data, wrong_answers
from ecgpipe.report.publish import render_markdown
from ecgpipe.report.tables import latex, write_tables
from tests.report.made import COUNT, EVIL_CLASS, EVIL_ID, inputs_of


@pytest.fixture(scope="module")
def made(built):
    return built, built.results / "report"


def build(inputs, out, **settings):
    build_report(inputs, ReportConfig(**settings), out)
    return out


def test_page_is_self_contained(made):
    text = (made[1] / "index.html").read_text()
    addresses = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert addresses and all(address.startswith(("data:", "#")) for address in addresses)
    assert "url(http" not in text and "@import" not in text


class Elements(HTMLParser):
    """The elements of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def test_names_cannot_inject_html(made, evil):
    text = (evil.results / "report/index.html").read_text()
    plain, injected = Elements((made[1] / "index.html").read_text()).found, Elements(text).found
    assert "onclick=alert(2)" in text and "onerror=alert(1)" in text  # as text
    for _, attributes in injected:
        assert not any(name.startswith("on") or "alert(" in name for name in attributes), attributes
    for tag in ("script", "img", "b", "iframe", "style"):
        assert sum(name == tag for name, _ in injected) == sum(name == tag for name, _ in plain), tag
    data = json.loads(re.search(r'id="explorer-data">(.*?)</script>', text, re.S)[1])
    assert EVIL_ID in data["views"][1]["ids"] and EVIL_CLASS in data["views"][1]["classes"]


def test_report_json_has_the_whole_content(made):
    content = json.loads((made[1] / "report.json").read_text(), parse_constant=pytest.fail)  # no NaN
    assert (content["format"], content["version"]) == ("ecgpipe report", 2)
    assert content["configuration"] == made[0].configuration
    (view,) = content["datasets"][0]["protocols"]
    assert {model["variant"]: model["seeds"] for model in view["models"]} == {"resnet34": 2, "swin": 1}
    assert set(content["tables"]) == {file.stem for file in (made[1] / "tables").glob("*.csv")}
    assert {f"roc-simulated-patient-{name}.svg" for name in ("resnet34", "swin")} <= {
        file.name for file in (made[1] / "figures").iterdir()
    }


def test_report_on_own_data_does_not_mention_the_paper(made, tmp_path):
    """Without a dataset of the paper: no claims, no retraction, no figures or columns of the paper, its own title."""
    inputs = made[0]
    own = replace(inputs_of(inputs.results, ("simulated",)), titles={"simulated": "My clinic"})
    build(replace(own, configuration=inputs.configuration), tmp_path, explorer_pictures=0)
    publish_page = render_markdown(json.loads((tmp_path / "report.json").read_text()))
    page = (tmp_path / "index.html").read_text().partition("<summary>Configuration")[0]
    assert "<h1>ECG image classification: My clinic</h1>" in page
    assert publish_page.startswith("# ECG image classification: My clinic\n")
    for text in (page, publish_page):
        assert not re.search(r"(?i)retracted|the paper|figures? \d|not run|claims", text.partition("<main")[2] or text)
    assert not (tmp_path / "tables/claims.csv").exists()
    assert "paper" not in (tmp_path / "tables/data.csv").read_text()
    of_the_paper = (made[1] / "index.html").read_text()
    assert "was retracted" in of_the_paper and "(figure 12)" in of_the_paper and 'id="claims"' in of_the_paper


def test_classes_are_spelled_out_where_they_are_known(made):
    page = (made[1] / "index.html").read_text()
    assert '<abbr title="myocardial infarction">MI</abbr>' in page and "<b>STTC</b> ST/T change" in page
    assert 'abbr title="Normal' not in page


def test_models_must_be_compared(made, tmp_path):
    with pytest.raises(DataError, match="were not compared; run the rule compare_models"):
        build(replace(made[0], comparisons=()), tmp_path)


def test_missing_parts_are_reported(made):
    text = (made[1] / "index.html").read_text()
    assert "Swin Transformer (backbone only): seed 1" in text  # its second seed
    assert "not run" in text  # the paper's variants that this run lacks
    assert "The pages have no lead boxes" in text
    assert "positions of findings are known for simulated records only" in text
    assert "No scored record of" in text and "HYP" in text
    assert "1 of 3 maps by gradcam of the trained network are empty" in text
    assert "&lt;b&gt;at all&lt;/b&gt;" in text and "<b>at all</b>" not in text.split("explorer-data")[0]


def test_tables_are_written_as_csv_and_latex(made):
    folder = made[1] / "tables"
    assert {file.stem for file in folder.glob("*.csv")} == {file.stem for file in folder.glob("*.tex")}
    metrics = [json.loads(file.read_text()) for file in made[0].metrics if "simulated/patient/resnet34" in str(file)]
    table = pd.read_csv(folder / "results-simulated-patient.csv")
    accuracy = np.mean([one["scores"]["accuracy"]["value"] for one in metrics])
    assert table.set_index("model").loc["ResNet-34", "Accuracy"] == pytest.approx(accuracy)
    assert table.set_index("model").loc["ResNet-34", "seeds"] == 2
    beside = pd.read_csv(folder / "table-2.csv").set_index("model")
    assert beside.loc["Swin-LGF-FPN", "Accuracy paper"] == 0.9945
    assert np.isnan(beside.loc["Swin-LGF-FPN", "Accuracy ours"])


def test_latex_is_escaped_and_intervals_share_a_cell(tmp_path):
    table = pd.DataFrame({"a_b": ["50% & {x}"], "F1": [0.5], "F1 low": [0.25], "F1 high": [None], "n": [3]})
    text = latex(table)
    assert r"a\_b & F1 & n \\" in text
    assert r"50\% \& \{x\} & 0.5000 [0.2500, --] & 3 \\" in text
    assert "2e-07 & 0.0000 & 0.0500" in latex(pd.DataFrame({"p": [2e-7], "q": [0.0], "r": [0.05]}))
    links = write_tables({"t": table}, tmp_path / "tables")
    assert next(csv.reader((tmp_path / "tables/t.csv").open())) == ["a_b", "F1", "F1 low", "F1 high", "n"]
    assert links["t"]["csv"].startswith("data:text/csv;base64,")


def predictions(folder, variant, seed, logits, targets, task="single", roles=None):
    own = folder / "ptb-xl/folds" / variant / f"seed-{seed}"
    own.mkdir(parents=True)
    ids = np.array([f"{i:05d}" for i in range(len(targets))])
    roles = np.full(len(ids), "test") if roles is None else roles
    Predictions(ids, roles, np.array(logits, np.float32), np.array(targets, np.uint8), ("A", "B"), task).write(
        own / "predictions.parquet"
    )
    return Run(own)


def test_explorer_data_by_hand(tmp_path):
    targets = [[1, 0], [0, 1], [1, 0]]
    one = predictions(tmp_path, "swin", 0, [[2, 0], [2, 0], [0, 0]], targets)
    two = predictions(tmp_path, "vit", 0, [[0, 2], [2, 0], [3, 0]], targets)
    (view,) = explorer_data([one, two], 0.5)["views"]
    assert view["ids"] == ["00000", "00001", "00002"] and view["truth"] == [[0], [1], [0]]
    assert view["models"][0]["p"] == [881, 119, 881, 119, 500, 500]
    assert wrong_answers(view) == [1, 2, 0]
    chosen = choose_pictured({"views": [view]}, [one, two], {}, 2)
    assert chosen == {"ptb-xl": ["00001", "00000"]}


def test_rounded_probabilities_predict_the_same_classes(tmp_path):
    """Else the explorer counts other records as right than the table of results."""
    close = predictions(tmp_path, "swin", 0, [[0, 4e-4]], [[0, 1]])  # 0.4999 and 0.5001
    (view,) = explorer_data([close], 0.5)["views"]
    assert view["models"][0]["p"] == [500, 501] and wrong_answers(view) == [0]
    at_threshold = predictions(tmp_path, "vit", 0, [[-1e-3, 1e-3]], [[0, 1]], "multilabel")  # 0.49975 and 0.50025
    (view,) = explorer_data([at_threshold], 0.5)["views"]
    assert view["models"][0]["p"] == [499, 500] and wrong_answers(view) == [0]


def test_explorer_with_several_labels_and_missing_records(tmp_path):
    targets = [[1, 1], [0, 0]]
    one = predictions(tmp_path, "swin", 0, [[3, -3], [-3, -3]], targets, "multilabel")
    roles = np.array(["test", "validation"])
    two = predictions(tmp_path, "vit", 0, [[3, 3], [3, 3]], targets, "multilabel", roles)
    (view,) = explorer_data([one, two], 0.5)["views"]
    assert view["truth"] == [[0, 1], []]
    assert view["models"][1]["p"] == [953, 953, None, None]
    assert wrong_answers(view) == [1, 0]


def test_first_seed_of_each_model_is_shown(tmp_path):
    runs = [Run(tmp_path / f"ptb-xl/folds/{name}") for name in ("swin/seed-2", "swin/seed-1", "vit/seed-5")]
    assert [(run.variant, run.seed) for run in first_seeds(runs)] == [("swin", 1), ("vit", 5)]


def test_heat_maps_of_the_explorer(made):
    text = (made[1] / "index.html").read_text()
    data = json.loads(re.search(r'id="explorer-data">(.*?)</script>', text, re.S)[1])
    assert len(data["views"]) == 2 and all(len(view["ids"]) == COUNT for view in data["views"])
    assert data["heats"] and all(one["heat"].startswith("data:image/png") for one in data["heats"])


def test_pictures_are_limited_and_saliency_is_optional(made, tmp_path):
    inputs = replace(made[0], saliency=(), overlays=())
    text = (build(inputs, tmp_path, explorer_pictures=5) / "index.html").read_text()
    assert 'id="saliency"' not in text and "5 of 24 records have pictures" in text
    data = json.loads(re.search(r'id="explorer-data">(.*?)</script>', text, re.S)[1])
    shown = {name: len(pictures) for name, pictures in data["pictures"].items()}
    assert sum(shown.values()) == 5 and min(shown.values()) == 2 and data["heats"] == []
    assert all(set(one) == {"page", "image"} for pictures in data["pictures"].values() for one in pictures.values())

"""The published Markdown page, its tables and figures."""

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
import yaml

from ecgpipe.artifacts.files import read_json, write_json
from ecgpipe.cli.main import main
from ecgpipe.config.analysis import ReportConfig
from ecgpipe.errors import DataError
from ecgpipe.report.build import build_report
from ecgpipe.report.publish import escape, line, publish, without_paths
from tests.conftest import contents
from tests.report.made import inputs_of, make_statistics


@pytest.fixture(scope="module")
def results(built):
    return built.results


@pytest.fixture(scope="module")
def rich(results, tmp_path_factory):
    """The results with a baseline, an audit, a cross-validation, benchmark files, and what trained."""
    folder = shutil.copytree(results, tmp_path_factory.mktemp("rich") / "results")
    base = folder / "simulated"
    for part in (1, 2, 3):
        shutil.copytree(base / "patient", base / f"patient-cv3-{part}")
        _copy(base / "patient/swin/seed-0/metrics.json", base / f"patient-cv3-{part}/baseline-majority/seed-0")
    compared = read_json(base / "comparisons/patient.json")
    write_json(base / "comparisons/patient-cv3.json", compared | {"protocol": "patient-cv3"})
    run = folder / "cardiac-images/paper/resnet34/seed-0"
    for name in ("metrics.json", "predictions.parquet"):
        _copy(run / name, folder / "cardiac-images/paper/baseline-majority/seed-0")
    make_statistics(folder, {"simulated": "patient", "cardiac-images": "paper"})
    audit = {"records": 12, "kind": "images", "distinct": 9, "distinct_groups": 8, "unreadable": 0, "near_pairs": 0}
    audit |= {"patients": None, "patients_with_several": None, "conflicts": [["a", "b"]], "anomalies": {}}
    leaks = {"protocol": "paper", "seed": 0}
    leaks |= {"roles": {"validation": {"records": 4, "identical": 1, "near": 2, "patient": None}}}
    for dataset, found in (("cardiac-images", [leaks]), ("simulated", [])):
        (folder / dataset / "audit").mkdir()
        write_json(folder / dataset / "audit/audit.json", audit)
        write_json(folder / dataset / "audit/leaks.json", found)
    summary = json.loads((run / "train.json").read_text())
    summary |= {"git": {"commit": "0123456789abcdef", "changed": False}, "versions": {"torch": "9.9"}}
    summary |= {"device": "CPU, 3 threads"}
    summary |= {"hardware": {"processor": "P", "cores": 2, "memory_gb": 8.0, "gpus": ["G"], "system": "Linux-6.1-x86"}}
    (run / "train.json").write_text(json.dumps(summary))
    history = pd.read_csv(run / "history.csv")
    history.assign(seconds=[2.0, 4.0], images_per_second=[10.0, 30.0]).to_csv(run / "history.csv", index=False)
    (folder / "benchmarks/train").mkdir(parents=True)
    (folder / "benchmarks/train/a.tsv").write_text("s\tmax_rss\tcpu_time\n7.5\t100\t5\n")
    inputs = inputs_of(folder, ("simulated", "cardiac-images"))
    audits = {f"{name}s": [folder / d / f"audit/{name}.json" for d in inputs.datasets] for name in ("audit", "leak")}
    audits["leaks"] = [file.with_name("leaks.json") for file in audits["audits"]]
    inputs = replace(inputs, **audits)
    build_report(inputs, ReportConfig(explorer_pictures=0), folder / "report")
    publish(folder, folder / "out")
    return folder


def _copy(file: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, folder)


@pytest.fixture
def own(results, tmp_path):
    """A copy of the results to change."""
    return shutil.copytree(results, tmp_path / "copy")


@pytest.fixture(scope="module")
def published(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    publish(results, folder)
    return folder


def edit(results: Path, change) -> None:
    """Change the content of report.json."""
    content = read_json(results / "report/report.json")
    change(content)
    write_json(results / "report/report.json", content)


def rows_of(folder, first):
    """The cells of the page's table rows with this first cell."""
    lines = (folder / "index.md").read_text().splitlines()
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in lines if row.startswith(f"| {first} |")]


def table_of(folder, name):
    return list(csv.DictReader((folder / f"tables/{name}.csv").open()))


def test_page_is_rendered_from_report_json_alone(own, published, tmp_path):
    """It used to read the configuration from the HTML page by regular expression, and most results from elsewhere."""
    for path in own.iterdir():
        if path.name != "report":
            shutil.rmtree(path)
    (own / "report/index.html").unlink()
    publish(own, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(published)


def test_every_link_has_its_file_and_every_file_its_link(published):
    links = set(re.findall(r"\]\(([^)]+)\)", (published / "index.md").read_text()))
    assert links == set(contents(published)) - {"index.md"}
    assert {"tables/claims.csv", "configuration.yaml", "figures/roc-cardiac-images-paper-resnet34.svg"} <= links


def test_scores_are_those_of_the_results(results, published):
    scores = read_json(results / "cardiac-images/paper/resnet34/seed-0/metrics.json")["scores"]
    (row,) = table_of(published, "results-cardiac-images-paper")
    for metric, label in (("auc_macro", "Macro AUC"), ("accuracy", "Accuracy"), ("f1_weighted", "F1")):
        found = [float(row[f"{label}{end}"]) for end in ("", " low", " high")]
        assert found == [scores[metric][part] for part in ("value", "low", "high")]
        shown = "{value:.3f} ({low:.3f} – {high:.3f})".format(**scores[metric])
        (cells,) = [row for row in rows_of(published, "ResNet-34") if "0.9672" in row]  # as printed in the paper
        assert cells[1:3] == ["1,000", "1"] and shown in cells


def test_classes_are_those_of_the_best_model_and_the_file_has_all(results, published):
    rows = table_of(published, "classes-simulated-patient")
    assert [(row["model"], row["seed"]) for row in rows[::5]] == [("resnet34", "0"), ("resnet34", "1"), ("swin", "0")]
    compared = read_json(results / "simulated/comparisons/patient.json")["models"]
    best = max(compared, key=lambda model: model["scores"]["auc_macro"]["value"])["model"]
    shown = {"resnet34": "ResNet-34", "swin": "Swin Transformer (backbone only)"}[best]
    assert table_of(published, "overview")[0]["model"] == shown
    metrics = read_json(results / f"simulated/patient/{best}/seed-0/metrics.json")
    mine = metrics["per_class"]["MI"]
    (cells,) = rows_of(published, "MI")
    assert cells[1] == str(metrics["support"]["MI"]) and cells[2].startswith(f"{mine['auc']['value']:.3f} (")
    (row,) = [row for row in rows if (row["model"], row["seed"], row["class"]) == (best, "0", "MI")]
    assert float(row["auc low"]) == mine["auc"]["low"]


def test_paired_tests_show_corrected_p_values(own, tmp_path):
    def change(content):
        (table,) = [table for table in content["comparisons"] if table["first"]]
        for metric, p in (("accuracy", 0.0004), ("f1_weighted", 0.0496), ("auc_macro", None)):
            table["rows"][0]["cells"][table["metrics"].index(metric)] |= {"p": 0.25, "p_holm": p, "difference": 0.25}

    edit(own, change)
    publish(own, tmp_path / "out")
    cells = next(cells for cells in rows_of(tmp_path / "out", "ResNet-34 (one seed)") if cells[1][:6] == "+0.250")
    metrics = read_json(own / "report/report.json")["comparisons"][0]["metrics"]
    found = dict(zip(metrics, cells[2::2], strict=True))
    assert (found["accuracy"], found["f1_weighted"], found["auc_macro"]) == ("&#60; 0.001", "0.0496", "–")
    text = (own / "simulated/comparisons/patient.csv").read_text()
    assert (tmp_path / "out/tables/comparisons-simulated-patient.csv").read_text() == text


def test_missing_parts_are_reported(own, tmp_path):
    edit(own, lambda content: content.update(claims=None, saliency=[]))
    publish(own, tmp_path / "out")
    text = (tmp_path / "out/index.md").read_text()
    for sentence in (
        "No baselines were run", "No baseline was compared", "No saliency was measured", "Not audited",
        "No times are known", "under two protocols", "commit unknown",
    ):  # fmt: skip
        assert sentence in text


def test_intervals_of_baselines_are_those_of_the_comparisons(rich):
    """A baseline used to have the widest limits of its seeds in one table and the pooled interval elsewhere."""
    (compared,) = read_json(rich / "cardiac-images/comparisons/paper.json")["baselines"]
    cell, content = compared["scores"]["accuracy"], read_json(rich / "report/report.json")
    table = next(one for one in content["baselines"] if one["dataset"] == "cardiac-images")
    assert [table["rows"][0]["accuracy"][key] for key in ("low", "high")] == [cell["low"], cell["high"]]
    assert content["headlines"][-1]["baseline"]["accuracy"] == table["rows"][0]["accuracy"]


def test_baselines_and_audits_have_rows(rich):
    out, run = rich / "out", rich / "cardiac-images/paper/resnet34/seed-0/metrics.json"
    accuracy = read_json(run)["scores"]["accuracy"]["value"]
    (cells,) = rows_of(out, "Baseline: class frequencies alone")
    assert cells[1] == "–" and any(cell.startswith(f"{accuracy:.3f} (") for cell in cells)
    assert table_of(out, "results-cardiac-images-paper")[1]["Accuracy"] == repr(accuracy)
    first, *_, last = table_of(out, "overview")
    assert first["baseline"] == "" and last["baseline"] == "Class frequencies"
    assert last["Accuracy"] == last["Accuracy of baseline"] == repr(accuracy)
    (row,) = table_of(out, "leaks")
    assert (row["identical"], row["near"], row["patient"]) == ("0.25", "0.5", "")
    cells = rows_of(out, "ECG Images dataset of Cardiac Patients")
    assert ["12", "12", "single", "9", "8", "–", "–", "1"] in [row[1:] for row in cells]
    assert ["paper", "validation", "4", "25.0%", "50.0%", "unknown"] in [row[1:] for row in cells]


def test_parts_of_a_cross_validation_are_pooled(rich):
    text = (rich / "out/index.md").read_text()
    assert "protocol patient-cv3\n" in text and "the 3 folds of the cross-validation pooled" in text
    names = [row["model"] for row in table_of(rich / "out", "results-simulated-patient-cv3")]
    assert [name[-14:] for name in names[2:]] == [f"(patient-cv3-{part})"[-14:] for part in (1, 2, 3)]
    assert "| Baseline:" not in text.partition("protocol patient-cv3\n")[2].partition("\n### ")[0]
    assert len(table_of(rich / "out", "trainings")) == 13


def test_trainings_and_times(rich):
    text = (rich / "out/index.md").read_text()
    assert "commit 0123456789ab." in text and "torch 9.9" in text and "P, 2 logical cores, 8 GB, G, Linux" in text
    assert "6.1-x86" not in text
    assert "on cpu (fp32); CPU, 3 threads, P (fp32), commit" in text
    assert "| ResNet-34 | CPU, 3 threads | fp32 | 1 | 2 | 1 | 4 | 3.0 | 20.0 | 50.0 | – |" in text
    assert rows_of(rich / "out", "train") == [["train", "1", "7.5", "5.0", "100"]]


def test_claims_are_shown_if_runs_were_made_as_the_paper_describes(own, published, tmp_path):
    text = (published / "index.md").read_text()
    assert "0 of 11 claims were tested" in text and "contradicted by the printed figures alone" in text

    def change(content):
        claim = next(row for row in content["claims"]["claims"] if row["verdict"] == "not run")
        claim |= {"as_described": True, "finding": "supported", "verdict": "supported"}
        claim |= {"ours": 0.5, "low": 0.25, "high": 0.75}

    edit(own, change)
    publish(own, tmp_path / "out")
    text = (tmp_path / "out/index.md").read_text()
    assert "| supported | supported | 0.5000 (0.2500 to 0.7500) |" in text and "1 of 11 claims were tested" in text


def test_planned_comparisons_name_both_models(own, tmp_path):
    edit(own, lambda content: content["comparisons"][0].update(family="planned", first=None))
    publish(own, tmp_path / "out")
    text = (tmp_path / "out/index.md").read_text()
    table = text.partition("#### Comparisons planned before the results\n")[2]
    assert re.search(r"^\| First \| Second \|.*\n\| --- \| --- \|.*\n\| Swin[^|]*\| ResNet-34[^|]*\|", table, re.M)


def test_only_own_files_are_replaced_or_removed(own, tmp_path):
    out = tmp_path / "out"
    publish(own, out)
    (out / "notes.md").write_text("mine")
    (out / "tables/mine.csv").write_text("mine")
    edit(own, lambda content: content.update(saliency=[]))
    publish(own, out)
    kept = contents(out)
    assert kept["notes.md"] == kept["tables/mine.csv"] == b"mine" and "tables/saliency.csv" not in kept
    index = out / "index.md"
    index.write_text(index.read_text().replace("index.md\n", "../../victim\nindex.md\n"))
    (tmp_path.parent / "victim").write_text("")
    (out / "tables/trainings.csv").unlink()
    (out / "tables/classes.csv").write_text("kept")
    index.write_text(index.read_text().replace("\ntables/classes.csv\n", "\n"))
    with pytest.raises(DataError, match=r"classes\.csv: exists, and was not written by"):
        publish(own, out)
    assert (out / "tables/classes.csv").read_text() == "kept" and not (out / "tables/trainings.csv").exists()
    (out / "tables/classes.csv").unlink()
    publish(own, out)
    assert (tmp_path.parent / "victim").exists()


def test_foreign_page_is_not_overwritten(results, tmp_path):
    (tmp_path / "index.md").write_text("# Mine\n")
    with pytest.raises(DataError, match=r"index\.md: exists"):
        publish(results, tmp_path)
    assert contents(tmp_path) == {"index.md": b"# Mine\n"}


def test_published_files_do_not_reveal_paths(results, published):
    settings = yaml.safe_load((published / "configuration.yaml").read_text())
    assert settings["ptb_xl"]["source"] == "ptb-xl-1.0.3.zip" and settings["resources"] == "resources"
    for name, content in contents(published).items():
        for private in (str(results), str(Path.home()) + "/", "/home/", "someone"):
            assert private not in content.decode(), (name, private)


def test_paths_and_users_are_removed_from_a_configuration():
    given = [
        "/data/x/",
        "~/x.zip",
        r"C:\data\x",
        "file:///data/x.zip",
        "data/x",
        "https://me:pw@site.org/x",
        "/",
        3,
        None,
    ]
    expected = ["x", "x.zip", "x", "x.zip", "data/x", "https://site.org/x", "...", 3, None]
    assert without_paths({"a": given}) == {"a": expected}


def test_figures_are_standalone_svg(published):
    files = list((published / "figures").iterdir())
    kinds = {file.name.partition("-")[0] for file in files}
    assert kinds == {"comparison", "roc", "confusion", "reliability", "history", "learning", "external"}
    for file in files:
        root = ElementTree.parse(file).getroot()
        assert root.tag.endswith("svg") and root.get("color") and file.stat().st_size < 100_000
        assert root[0].tag.endswith("rect") and root[0].get("fill") == "#ffffff"
        assert "var(" not in file.read_text()


def test_names_cannot_inject_markdown(evil, tmp_path):
    publish(evil.results, tmp_path / "out")
    text = (tmp_path / "out/index.md").read_text().partition("<!--")[0]
    assert text.startswith("# A &#124; B\n") and "<" not in text and "$" not in text
    assert "| a&#124;b&#42;c&#42; |" in text
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        assert len({row.count("|") for row in block.splitlines()}) == 1
    assert re.findall(r"^\|", text, re.M) and not re.search(r"^\|.*\n\n\|", text, re.M)


def test_escapes():
    assert escape("a_b _c_ [x](y) #1 & <b>\n`d`") == (
        "a_b &#95;c&#95; &#91;x&#93;(y) &#35;1 &#38; &#60;b&#62; &#96;d&#96;"
    )
    assert [line(text) for text in ("- a", "1. a", "1.5 a", "---", "a-b - c", "+ a")] == [
        "&#45; a", "1&#46; a", "1.5 a", "&#45;&#45;&#45;", "a-b - c", "&#43; a",
    ]  # fmt: skip


def test_errors_name_the_command_to_run(own, tmp_path, capsys):
    file = own / "report/report.json"
    write_json(file, {"format": "other"})
    with pytest.raises(DataError, match=f"not a report of this version.*snakemake --force {file}"):
        publish(own, tmp_path / "out")
    file.unlink()
    assert main(["publish", str(own), str(tmp_path / "out")]) == 1
    assert f"snakemake {file}" in capsys.readouterr().err
    with pytest.raises(DataError, match="no such results folder"):
        publish(tmp_path / "nothing", tmp_path / "out")
    assert not (tmp_path / "out").exists()

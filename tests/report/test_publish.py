"""The results as files for a repository."""

import csv
import json
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
import yaml

from ecgpipe.artifacts.files import read_json, write_json
from ecgpipe.cli.main import main
from ecgpipe.config.analysis import ReportConfig
from ecgpipe.config.schema import validate_config
from ecgpipe.errors import DataError
from ecgpipe.report.build import build_report
from ecgpipe.report.publish.build import publish
from ecgpipe.report.publish.finished import without_paths
from ecgpipe.report.publish.markdown import escape, line
from tests.report.made import EVIL_CLASS, EVIL_ID, make_results

SETTINGS = {
    "datasets": ["simulated", "cardiac-images"],
    "ptb_xl": {"source": "/home/someone/data/ptb-xl-1.0.3.zip"},
    "resources": "/home/someone/resources",
    "explain": {"variants": ["resnet34"]},
    "report": {"title": "A | B"},
    "benchmark": {
        "simulated": {"protocols": ["patient"], "models": ["resnet34", "swin"], "seeds": [0, 1]},
        "cardiac-images": {"protocols": ["paper"], "models": ["resnet34"], "seeds": [0]},
    },
}


def finish(folder: Path, settings: dict, **names) -> Path:
    """A made results folder with its report."""
    inputs = make_results(folder, **names)
    inputs.configuration.clear()
    inputs.configuration.update(validate_config(settings).model_dump(mode="json", by_alias=True))
    out = folder / "report"
    files = (out / "index.html", out / "scores.csv", out / "problems.csv", out / "tables")
    build_report(inputs, ReportConfig(explorer_pictures=0), *files)
    return folder


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return finish(tmp_path_factory.mktemp("results"), SETTINGS)


@pytest.fixture
def own(results, tmp_path):
    """A copy to change."""
    return shutil.copytree(results, tmp_path / "copy")


@pytest.fixture(scope="module")
def published(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    publish(results, folder)
    return folder


def contents(folder):
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def rows_of(folder, first):
    """The cells of the page's rows that begin so."""
    lines = (folder / "index.md").read_text().splitlines()
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in lines if row.startswith(f"| {first} |")]


def table_of(folder, name):
    return list(csv.DictReader((folder / f"tables/{name}.csv").open()))


def test_every_link_leads_to_a_file_and_every_file_is_linked(published):
    text = (published / "index.md").read_text()
    links = set(re.findall(r"\]\(([^)]+)\)", text))
    assert links == set(contents(published)) - {"index.md"}
    assert {"tables/claims.csv", "configuration.yaml", "figures/roc-simulated-patient.svg"} <= links


def test_scores_are_those_of_the_results(results, published):
    scores = read_json(results / "cardiac-images/paper/resnet34/seed-0/metrics.json")["scores"]
    (row,) = table_of(published, "results-cardiac-images-paper")
    for metric, label in (("auc_macro", "Macro AUC"), ("accuracy", "Accuracy"), ("f1_weighted", "F1")):
        found = [float(row[f"{label}{end}"]) for end in ("", " low", " high")]
        assert found == [scores[metric][part] for part in ("value", "low", "high")]
    shown = [
        "{value:.3f} ({low:.3f} – {high:.3f})".format(**scores[m]) for m in ("auc_macro", "accuracy", "f1_weighted")
    ]
    cells = next(row for row in rows_of(published, "ResNet-34") if row[3:6] == shown)
    assert cells[1:3] == ["1,000", "1"] and cells[6] == "0.9672"  # as the paper prints it


def test_classes_are_those_of_the_best_model_and_the_file_has_all(results, published):
    rows = table_of(published, "classes-simulated-patient")
    assert [(row["model"], row["seed"]) for row in rows[::5]] == [("resnet34", "0"), ("resnet34", "1"), ("swin", "0")]
    compared = read_json(results / "simulated/comparisons/patient.json")["models"]
    best = max(compared, key=lambda model: model["scores"]["auc_macro"]["value"])["model"]
    shown = {"resnet34": "ResNet-34", "swin": "Swin Transformer (backbone only)"}[best]
    assert table_of(published, "overview")[0]["Highest model"] == shown
    metrics = read_json(results / f"simulated/patient/{best}/seed-0/metrics.json")
    mine = metrics["per_class"]["MI"]
    (cells,) = rows_of(published, "MI")
    assert cells[1] == str(metrics["support"]["MI"]) and cells[2].startswith(f"{mine['auc']['value']:.3f} (")
    (row,) = [row for row in rows if (row["model"], row["seed"], row["class"]) == (best, "0", "MI")]
    assert float(row["auc low"]) == mine["auc"]["low"]


def test_pairs_have_their_corrected_chances(own, tmp_path):
    file = own / "simulated/comparisons/patient.json"
    compared = read_json(file)
    rows = {row["metric"]: row for row in compared["comparisons"] if row["test"] == "bootstrap"}
    for metric, chance in (("accuracy", 0.0004), ("f1_weighted", 0.625), ("auc_macro", None)):
        rows[metric] |= {"p": 0.25, "p_holm": chance}
    write_json(file, compared)
    publish(own, tmp_path / "out")
    lead = f"{rows['accuracy']['difference']:+.3f}"
    cells = next(cells for cells in rows_of(tmp_path / "out", "ResNet-34") if cells[1].startswith(lead))
    assert [cells[2], cells[4], cells[6]] == ["&#60; 0.001", "0.625", "–"]
    assert "1 of 2 differences are significant at 0.05." in (tmp_path / "out/index.md").read_text()
    text = (own / "simulated/comparisons/patient.csv").read_text()
    assert (tmp_path / "out/tables/comparisons-simulated-patient.csv").read_text() == text


def test_what_is_not_there_is_told(own, tmp_path):
    (own / "report/claims.json").unlink()
    for file in own.rglob("saliency.json"):
        file.unlink()
    for gone in (own / "simulated/patient/swin", own / "simulated/labels.json", own / "report/problems.csv"):
        shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    publish(own, tmp_path / "out")
    text = (tmp_path / "out/index.md").read_text()
    for told in (
        "No controls were run", "There is no report/claims.json".lower(), "No saliency was measured", "Not audited",
        "No times were kept", "under two protocols", "simulated/patient/swin/seed-0", "commit not known",
    ):  # fmt: skip
        assert told in text or told in text.lower(), told


def test_controls_and_audits_have_rows(own, tmp_path):
    run = own / "cardiac-images/paper/resnet34/seed-0/metrics.json"
    control = own / "cardiac-images/paper/baseline-majority/seed-0/metrics.json"
    control.parent.mkdir(parents=True)
    shutil.copy(run, control)
    (own / "cardiac-images/audit").mkdir()
    audit = {"records": 12, "kind": "images", "distinct": 9, "distinct_groups": 8, "unreadable": 0, "near_pairs": 0}
    audit |= {"patients": None, "patients_with_several": None, "conflicts": [["a", "b"]], "anomalies": {}}
    leaks = {"protocol": "paper", "seed": 0}
    leaks |= {"roles": {"validation": {"records": 4, "identical": 1, "near": 2, "patient": None}}}
    write_json(own / "cardiac-images/audit/audit.json", audit)
    write_json(own / "cardiac-images/audit/leaks.json", [leaks])
    publish(own, tmp_path / "out")
    accuracy = read_json(run)["scores"]["accuracy"]["value"]
    (cells,) = rows_of(tmp_path / "out", "Control: majority: the classes' shares alone")
    assert cells[1] == "–" and cells[4].startswith(f"{accuracy:.3f} (")
    assert table_of(tmp_path / "out", "results-cardiac-images-paper")[1]["Accuracy"] == repr(accuracy)
    first, second = table_of(tmp_path / "out", "overview")
    assert first["Best control"] == "" and second["Best control"] == "majority: the classes' shares alone"
    assert second["Accuracy"] == second["Its accuracy"] == repr(accuracy)
    (row,) = table_of(tmp_path / "out", "leaks")
    assert (row["identical"], row["near"], row["patient"]) == ("0.25", "0.5", "")
    cells = rows_of(tmp_path / "out", "ECG Images dataset of Cardiac Patients")
    assert ["12", "12", "single", "9", "8", "–", "–", "1"] in [row[1:] for row in cells]
    assert ["paper", "validation", "4", "25.0%", "50.0%", "unknown"] in [row[1:] for row in cells]


def test_parts_of_a_cross_validation_stand_together(own, tmp_path):
    base = own / "simulated"
    for part in (1, 2, 3):
        shutil.copytree(base / "patient", base / f"patient-cv3-{part}")
        control = base / f"patient-cv3-{part}/baseline-majority/seed-0/metrics.json"
        control.parent.mkdir(parents=True)
        shutil.copy(base / "patient/swin/seed-0/metrics.json", control)
    write_json(
        base / "comparisons/patient-cv3.json",
        read_json(base / "comparisons/patient.json") | {"protocol": "patient-cv3"},
    )
    shutil.copy(base / "comparisons/patient.csv", base / "comparisons/patient-cv3.csv")
    page = own / "report/index.html"
    page.write_text(re.sub(r"(protocols:\n\s*- patient)\n", r"\1-cv3\n", page.read_text()))
    publish(own, tmp_path / "out")
    text = (tmp_path / "out/index.md").read_text()
    assert "protocol patient-cv3\n" in text and "the 3 parts of the cross-validation pooled" in text
    names = [row["model"] for row in table_of(tmp_path / "out", "results-simulated-patient-cv3")]
    assert [name[-14:] for name in names[2:]] == [f"(patient-cv3-{part})"[-14:] for part in (1, 2, 3)]
    assert "| Control:" not in text
    assert len(table_of(tmp_path / "out", "trainings")) == 10


def test_claims_are_shown_where_they_were_run_as_the_paper_describes(own, published, tmp_path):
    text = (published / "index.md").read_text()
    assert "0 of 11 claims were run" in text and "2 contradicted by the printed figures alone, 9 not run" in text
    claims = read_json(own / "report/claims.json")
    told = next(row for row in claims["claims"] if row["kind"] == "claim" and row["verdict"] == "not run")
    told |= {"finding": "supported", "verdict": "supported", "ours": 0.5, "low": 0.25, "high": 0.75}
    for departures, shown in ((["too short"], False), ([], True)):
        claims["departures"] = dict.fromkeys(told["dataset"].split(), departures)
        write_json(own / "report/claims.json", claims)
        publish(own, tmp_path / "out")
        text = (tmp_path / "out/index.md").read_text()
        assert ("| supported | supported | 0.5000 (0.2500 to 0.7500) |" in text) is shown
        assert f"{int(shown)} of 11 claims were run" in text


def test_the_same_results_give_the_same_bytes(results, published, tmp_path):
    publish(results, tmp_path)
    assert contents(tmp_path) == contents(published)


def test_only_its_own_files_are_replaced_or_removed(own, tmp_path):
    out = tmp_path / "out"
    publish(own, out)
    (out / "notes.md").write_text("mine")
    (out / "tables/mine.csv").write_text("mine")
    shutil.rmtree(own / "cardiac-images/paper")
    publish(own, out)
    kept = contents(out)
    assert kept["notes.md"] == kept["tables/mine.csv"] == b"mine"
    assert not [name for name in kept if "cardiac" in name]
    index = out / "index.md"
    index.write_text(
        index.read_text().replace("tables/times.csv\n", "").replace("index.md\n", "../../victim\nindex.md\n")
    )
    (tmp_path.parent / "victim").write_text("")
    (out / "tables/trainings.csv").unlink()
    (out / "tables/classes.csv").write_text("kept")
    index.write_text(index.read_text().replace("\ntables/classes.csv\n", "\n"))
    with pytest.raises(DataError, match=r"classes\.csv: is there, and not of"):
        publish(own, out)
    assert (out / "tables/classes.csv").read_text() == "kept" and not (out / "tables/trainings.csv").exists()
    (out / "tables/classes.csv").unlink()
    publish(own, out)
    assert (tmp_path.parent / "victim").exists()


def test_a_page_of_someone_else_stays(results, tmp_path):
    (tmp_path / "index.md").write_text("# Mine\n")
    with pytest.raises(DataError, match=r"index\.md: is there"):
        publish(results, tmp_path)
    assert contents(tmp_path) == {"index.md": b"# Mine\n"}


def test_nothing_tells_of_the_machine(results, published):
    settings = yaml.safe_load((published / "configuration.yaml").read_text())
    assert settings["ptb_xl"]["source"] == "ptb-xl-1.0.3.zip" and settings["resources"] == "resources"
    for name, content in contents(published).items():
        for told in (str(results), str(Path.home()) + "/", "/home/", "someone"):
            assert told not in content.decode(), (name, told)


def test_paths_and_users_go_out_of_a_configuration():
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
    assert without_paths({"a": given}) == {
        "a": ["x", "x.zip", "x", "x.zip", "data/x", "https://site.org/x", "...", 3, None]
    }


def test_figures_stand_alone(published):
    files = list((published / "figures").iterdir())
    assert {file.name.partition("-")[0] for file in files} == {
        "comparison",
        "roc",
        "confusion",
        "reliability",
        "history",
    }
    for file in files:
        root = ElementTree.parse(file).getroot()
        assert root.tag.endswith("svg") and root.get("color") and file.stat().st_size < 100_000
        assert root[0].tag.endswith("rect") and root[0].get("fill") == "#ffffff"
        assert "var(" not in file.read_text()


def test_names_are_no_markdown(tmp_path):
    evil = finish(tmp_path / "results", SETTINGS, hearts=("a|b*c*", EVIL_CLASS), first_id=EVIL_ID)
    publish(evil, tmp_path / "out")
    text = (tmp_path / "out/index.md").read_text().partition("<!--")[0]
    assert text.startswith("# A &#124; B\n") and "<" not in text and "$" not in text
    assert "| a&#124;b&#42;c&#42; |" in text
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        assert len({row.count("|") for row in block.splitlines()}) == 1


def test_escapes():
    assert escape("a_b _c_ [x](y) #1 & <b>\n`d`") == (
        "a_b &#95;c&#95; &#91;x&#93;(y) &#35;1 &#38; &#60;b&#62; &#96;d&#96;"
    )
    assert [line(text) for text in ("- a", "1. a", "1.5 a", "---", "a-b - c", "+ a")] == [
        "&#45; a", "1&#46; a", "1.5 a", "&#45;&#45;&#45;", "a-b - c", "&#43; a",
    ]  # fmt: skip


def test_without_a_report_the_message_says_what_to_run(own, tmp_path, capsys):
    (own / "report/index.html").unlink()
    assert main(["publish", str(own), str(tmp_path / "out")]) == 1
    assert f"snakemake {own / 'report/index.html'}" in capsys.readouterr().err
    with pytest.raises(DataError, match="no such folder"):
        publish(tmp_path / "nothing", tmp_path / "out")
    (own / "report/index.html").write_text("<p>cut off")
    with pytest.raises(DataError, match="states no configuration"):
        publish(own, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_scores_or_comparisons_there_is_an_error(own, tmp_path):
    (own / "simulated/comparisons/patient.json").unlink()
    with pytest.raises(DataError, match="were not compared"):
        publish(own, tmp_path / "out")
    for file in own.rglob("metrics.json"):
        file.unlink()
    with pytest.raises(DataError, match=r"no scores .*snakemake all"):
        publish(own, tmp_path / "out")


def test_a_data_set_may_leave_its_trainings_to_the_defaults(own, tmp_path):
    page = own / "report/index.html"
    text = re.sub(r"(benchmark:\n(?:  .*\n)*?)  cardiac-images:\n(?:    .*\n|  - .*\n)*", r"\1", page.read_text())
    page.write_text(text)
    publish(own, tmp_path / "out")
    assert "cardiac-images" not in yaml.safe_load((tmp_path / "out/configuration.yaml").read_text())["benchmark"]
    assert table_of(tmp_path / "out", "results-cardiac-images-paper")


def test_trainings_and_times_from_what_was_kept(own, tmp_path):
    run = own / "cardiac-images/paper/resnet34/seed-0"
    summary = json.loads((run / "train.json").read_text())
    summary |= {"git": {"commit": "0123456789abcdef", "changed": False}, "versions": {"torch": "9.9"}}
    summary |= {"device": "CPU, 3 threads"}
    summary |= {"hardware": {"processor": "P", "cores": 2, "memory_gb": 8.0, "gpus": ["G"], "system": "Linux-6.1-x86"}}
    (run / "train.json").write_text(json.dumps(summary))
    history = pd.read_csv(run / "history.csv")
    history.assign(seconds=[2.0, 4.0], images_per_second=[10.0, 30.0]).to_csv(run / "history.csv", index=False)
    (own / "benchmarks/train").mkdir(parents=True)
    (own / "benchmarks/train/a.tsv").write_text("s\tmax_rss\tcpu_time\n7.5\t100\t5\n")
    assert main(["publish", str(own), str(tmp_path / "out")]) == 0
    text = (tmp_path / "out/index.md").read_text()
    assert "commit 0123456789ab." in text and "torch 9.9" in text and "P, 2 logical cores, 8.0 GB, G, Linux" in text
    assert "6.1-x86" not in text
    assert "on cpu (fp32); CPU, 3 threads, P (fp32), commit" in text
    assert "| ResNet-34 | CPU, 3 threads | fp32 | 1 | 2 | 1 | 4 | 3.0 | 20.0 |" in text
    assert rows_of(tmp_path / "out", "train") == [["train", "1", "7.5", "5.0", "100"]]

"""The classes of the PhysioNet Challenge 2024, and its macro F-measure."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from ecgpipe.acquire.challenge_2024 import PLUS_ACRONYMS, PLUS_STATEMENTS, acute_records, mark_acute
from ecgpipe.acquire.datasets import make_dataset
from ecgpipe.acquire.labels import make_labels, read_grouping
from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.cli.main import main
from ecgpipe.config.data import CHALLENGE, CHALLENGE_CLASSES, LabelsConfig, PtbXlConfig, SimulatedConfig
from ecgpipe.errors import DataError
from ecgpipe.metrics import Scorer

EVALUATOR = 0.5400780724188989
"""compute_f_measure of physionetchallenges/evaluation-2024 (commit 1a51354) on the calls of the last test."""
TABLE = """,description,diagnostic,form,rhythm,diagnostic_class,diagnostic_subclass
NORM,,1.0,,,NORM,NORM
IMI,,1.0,,,MI,IMI
NDT,,1.0,1.0,,STTC,STTC
LBBB,,1.0,,,CD,CLBBB
LVH,,1.0,,,HYP,LVH
PAC,,,1.0,,,
PVC,,,1.0,,,
SR,,,,1.0,,
AFIB,,,,1.0,,
AFLT,,,,1.0,,
STACH,,,,1.0,,
SVTAC,,,,1.0,,
PSVT,,,,1.0,,
SBRAD,,,,1.0,,
"""


@pytest.fixture
def groups(tmp_path):
    (tmp_path / "scp_statements.csv").write_text(TABLE)
    group_of, classes = read_grouping(tmp_path, CHALLENGE)
    assert classes == CHALLENGE_CLASSES and len(classes) == 11
    return group_of


@pytest.fixture
def plus(tmp_path):
    """PTB-XL+ as PhysioNet has it, with four records."""
    folder = tmp_path / "plus"
    (folder / PLUS_ACRONYMS).parent.mkdir(parents=True)
    (folder / PLUS_ACRONYMS).write_text("StatementNumber,Acronym,id1\n780,SMI,1\n821,ACUTE,2\n963,INJ,3\n,AU,4\n")
    rows = ["ecg_id,statements,other", "1,\"['SR', 'ACUTE']\",x", "2,\"['SMI', 'AU']\",x", "3,,x", "7,\"['INJ']\",x"]
    (folder / PLUS_STATEMENTS).write_text("\n".join(rows) + "\n")
    return folder


def classes_of(codes, groups):
    found = {groups[code] for code in codes if code in groups}
    return [name for name in CHALLENGE_CLASSES if name in found]


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (["SR", "NORM"], ["NORM"]),
        (["SBRAD", "LVH", "IMI", "LBBB", "NDT"], ["Old MI", "STTC", "CD", "HYP", "BRADY"]),
        (["AFLT", "AFIB", "PVC", "PAC"], ["PAC", "PVC", "AFIB/AFL"]),
        (["STACH"], ["TACHY"]),
        (["SVTAC"], ["TACHY"]),
        (["PSVT"], ["TACHY"]),
        (["SR"], []),
    ],
)
def test_classes_of_statements(groups, codes, expected):
    assert classes_of(codes, groups) == expected


def test_every_statement_counts_whatever_its_likelihood(groups):
    records = pd.DataFrame({"record_id": ["00001", "00002"], "statements": [{"IMI": 0, "PVC": 0}, {"NORM": 15}]})
    labels, counts = make_labels(
        records, groups, CHALLENGE_CLASSES, LabelsConfig(policy="multilabel", grouping=CHALLENGE)
    )
    assert labels.classes == ("NORM", "Old MI", "PVC") and labels.targets.tolist() == [[0, 1, 1], [1, 0, 0]]
    assert counts.rare["Acute MI"] == 0


def test_acute_infarctions_come_from_the_12sl_statements(groups, plus):
    """An acute record need not be an infarction in PTB-XL; a record that PTB-XL+ lacks keeps an old one."""
    assert acute_records(plus) == {1, 7}
    statements = {"00001": {"IMI": 80, "PVC": 0}, "00002": {"IMI": 80}, "00007": {"NORM": 100}, "00009": {"IMI": 100}}
    table = pd.DataFrame({"record_id": [*statements], "statements": [*map(json.dumps, statements.values())]})
    changed = mark_acute(table, plus, groups)
    assert [classes_of(codes, groups) for codes in changed["statements"]] == [
        ["Acute MI", "PVC"], ["Old MI"], ["NORM", "Acute MI"], ["Old MI"]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (PLUS_STATEMENTS, None, r"12sl_statements\.csv: no such file; is .* a copy of PTB-XL\+"),
        (PLUS_STATEMENTS, "ecg_id,other\n1,x\n", r"12sl_statements\.csv: not a CSV table with ecg_id, statements"),
        (PLUS_ACRONYMS, "StatementNumber,Acronym\n780,SMI\n", r"12slv23ToSNOMED\.csv: has none of the statements 821"),
    ],
)
def test_unusable_copies_of_ptb_xl_plus(plus, file, content, message):
    (plus / file).unlink()
    if content:
        (plus / file).write_text(content)
    with pytest.raises(DataError, match=message):
        acute_records(plus)


def test_the_command_counts_with_and_without_ptb_xl_plus(groups, plus, tmp_path, capsys):
    header = "ecg_id,patient_id,age,sex,scp_codes,strat_fold\n"
    rows = [f"{i},{i},50,0,\"{{'{code}': 100.0}}\",1\n" for i, code in enumerate(("IMI", "IMI", "NORM"), 1)]
    (tmp_path / "ptbxl_database.csv").write_text(header + "".join(rows))
    command = ["labels", str(tmp_path), "--policy", "multilabel", "--grouping", CHALLENGE, "--json"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["classes"] == {"NORM": 1, "Old MI": 2}
    assert main([*command, "--plus", str(plus)]) == 0
    assert json.loads(capsys.readouterr().out)["classes"] == {"NORM": 1, "Acute MI": 1, "Old MI": 1}
    assert main(["labels", str(tmp_path), "--plus", str(plus)]) == 1
    assert "--plus: only for --grouping challenge-2024" in capsys.readouterr().err


def test_the_labels_rule_watches_the_files_of_ptb_xl_plus(plus):
    dataset = make_dataset("ptb-xl", PtbXlConfig(plus=str(plus)), "results", "resources")
    before = dataset.plus_hashes()
    (plus / PLUS_STATEMENTS).write_text("ecg_id,statements\n1,['ACUTE', 'SR']\n")
    assert len(before) == 2 and dataset.plus_hashes() != before
    assert make_dataset("ptb-xl", PtbXlConfig(), "results", "resources").plus_hashes() == []
    # the numbers of simulated records are not those of PTB-XL
    assert make_dataset("simulated", SimulatedConfig(), "results", "resources").plus is None


def test_the_macro_f1_is_the_challenge_s_f_measure():
    """As its evaluator computes it, and scikit-learn."""
    rng = np.random.default_rng(2024)
    targets = (rng.random((60, 11)) < 0.25).astype(np.uint8)
    targets[:, 7] = 0  # a class that no record has is left out, also where it is called
    targets[~targets.any(axis=1), 0] = 1
    logits = np.where(targets, 0.6, -0.6) + rng.normal(size=targets.shape)
    logits[:, 4] = -1  # a class that is never called counts 0
    ids = np.array([f"{i:05d}" for i in range(60)])
    predictions = Predictions(
        ids, np.full(60, "test"), logits.astype(np.float32), targets, CHALLENGE_CLASSES, "multilabel"
    )
    found = Scorer(predictions, 0.5)(np.ones((60, 1)))[0]["f1_macro"][0]
    present = targets.any(axis=0)
    assert found == pytest.approx(f1_score(targets[:, present], logits[:, present] >= 0, average="macro"), abs=1e-12)
    assert found == pytest.approx(EVALUATOR, abs=1e-9)

"""Clinical criteria of each finding, measured on the clean signal of one heart with and without it."""

import numpy as np
import pytest

from ecgpipe.acquire.simulate.findings import KINDS, STATEMENTS, Finding, sample_findings
from ecgpipe.acquire.simulate.patient import LEADS, sample_patient
from ecgpipe.acquire.simulate.record import simulate_record
from ecgpipe.config.data import SUPERCLASSES
from ecgpipe.errors import ConfigError

RATE = 500
SEEDS = range(6)
GROUPS = {
    "IMI": (("II", "III", "AVF"), ("AVL",)),
    "ASMI": (("V1", "V2", "V3"), ()),
    "AMI": (("V2", "V3", "V4"), ()),
    "ALMI": (("V3", "V4", "V5"), ("III",)),
    "LMI": (("I", "AVL", "V5", "V6"), ("III", "AVF")),
    "ILMI": (("II", "III", "AVF"), ()),
}


def beat(code: str | None, severity: float = 0.65, seed: int = 0, **options) -> tuple[np.ndarray, dict, object]:
    """The median clean beat (12, samples) against its PR level, sample numbers of its waves, and the record."""
    rng = np.random.default_rng(seed)
    patient = sample_patient(rng)
    findings = () if code is None else (Finding(code, severity, **options),)
    record = simulate_record(rng, (), RATE, patient=patient, findings=findings, rhythm_code="SR", ectopics=(), noise=0)
    times = record.truth.beats
    onsets = np.round(times["qrs_onset"][1:-1] * RATE).astype(int)
    median = np.median([record.clean[:, onset - 150 : onset + 260] for onset in onsets], axis=0)
    level = median[:, 143:149].mean(axis=1, keepdims=True)  # the PR segment's end
    at = {name: 150 + round(float(np.median(times[name] - times["qrs_onset"])) * RATE) for name in times}
    return median - level, at, record


def select(signal: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    return signal[[LEADS.index(name) for name in names]]


def st_level(signal: np.ndarray, at: dict, names: tuple[str, ...]) -> np.ndarray:
    """ST deviation 40 ms after the J point, mV."""
    j = at["qrs_offset"]
    return select(signal, names)[:, j + 17 : j + 24].mean(axis=1)


def qrs_width(signal: np.ndarray) -> float:
    """Seconds, from the slope over all leads alone."""
    slope = np.abs(np.gradient(signal, axis=1)).max(axis=0)
    steep = np.flatnonzero(slope[120:250] > 0.08 * slope[120:250].max())
    return (steep[-1] - steep[0]) / RATE


@pytest.mark.parametrize("code", GROUPS)
@pytest.mark.parametrize("seed", SEEDS)
def test_fresh_infarction_elevates_st_in_its_leads_and_depresses_it_opposite(code, seed):
    leads, opposite = GROUPS[code]
    healthy, at, _ = beat(None, seed=seed)
    signal, at_mi, record = beat(code, seed=seed, stage="Stadium I")
    level = st_level(signal, at_mi, leads)
    assert np.sum(level >= 0.1) >= 2
    assert level.mean() > 0.12 + st_level(healthy, at, leads).mean()
    if opposite:
        assert (st_level(signal, at_mi, opposite) < st_level(healthy, at, opposite) - 0.05).all()
    named = record.truth.findings[0].leads
    assert len(set(leads) & set(named)) >= 2


@pytest.mark.parametrize("code", GROUPS)
def test_old_infarction_has_a_q_of_30_ms_or_lost_r_and_no_st_elevation(code):
    leads, _ = GROUPS[code]
    for seed in SEEDS:
        signal, at, _ = beat(code, severity=0.75, seed=seed, stage="Stadium III")
        healthy, _, _ = beat(None, seed=seed)
        assert np.abs(st_level(signal, at, leads)).mean() < 0.12
        pathological = 0
        for row, before in zip(select(signal, leads), select(healthy, leads), strict=True):
            early = row[150 : at["qrs_offset"]]
            below = np.flatnonzero(early < -0.05)
            r_comes_first = early[: below[0] if len(below) else None].max(initial=0) > 0.08
            q_width = 0 if r_comes_first else int(np.argmax(np.append(early[below[0] :] > -0.05, True)))
            pathological += q_width / RATE >= 0.03 or early.max() < 0.5 * before[150:210].max()
        assert pathological >= 2, seed


@pytest.mark.parametrize("seed", SEEDS)
def test_posterior_infarction_is_a_mirror_image_in_v1_to_v3(seed):
    signal, at, _ = beat("PMI", seed=seed, stage="Stadium I")
    assert (st_level(signal, at, ("V2", "V3")) < -0.05).all()
    old, _, _ = beat("PMI", severity=0.8, seed=seed, stage="Stadium III")
    healthy, _, _ = beat(None, seed=seed)
    assert select(old, ("V2",)).max() > select(healthy, ("V2",))[:, 150:210].max()


@pytest.mark.parametrize("seed", SEEDS)
def test_ischaemia_lowers_st_and_inverts_t(seed):
    for code, leads in {"ISC_": ("V5", "V6"), "ISCIN": ("III", "AVF"), "ISCAS": ("V2", "V3")}.items():
        signal, at, _ = beat(code, seed=seed)
        healthy, at_rest, _ = beat(None, seed=seed)
        assert (st_level(signal, at, leads) < st_level(healthy, at_rest, leads) - 0.04).all(), code
        assert select(signal, leads)[:, at["t_peak"]].mean() < -0.05, code


@pytest.mark.parametrize("seed", SEEDS)
def test_low_t_and_long_qt(seed):
    flat, at, _ = beat("NDT", seed=seed)
    r_in_v5 = select(flat, ("V5",)).max()
    assert abs(select(flat, ("V5",))[0, at["t_peak"]]) < 0.12 * r_in_v5
    _, _, record = beat("LNGQT", seed=seed)
    assert record.truth.parameters["qtc"] >= 0.48


@pytest.mark.parametrize("seed", SEEDS)
def test_bundle_branch_blocks(seed):
    right, at, record = beat("CRBBB", seed=seed)
    assert qrs_width(right) >= 0.118 and record.truth.parameters["qrs"] >= 0.12
    late = slice(at["qrs_offset"] - 30, at["qrs_offset"])
    assert select(right, ("V1",))[:, late].max() > 0.2 and select(right, ("V6",))[:, late].min() < -0.1
    left, at, record = beat("CLBBB", seed=seed)
    assert qrs_width(left) >= 0.118 and record.truth.parameters["qrs"] >= 0.12
    qrs = slice(150, at["qrs_offset"])
    v1, v6 = select(left, ("V1",))[0], select(left, ("V6",))[0]
    assert v1[qrs].min() < -0.5 and v1[qrs].max() < 0.2 and v6[qrs].max() > 0.4 and v6[qrs].min() > -0.1  # no septal q
    assert v1[at["t_peak"]] > 0.1 and v6[at["t_peak"]] < 0  # T opposite to QRS
    for code in ("IRBBB", "ILBBB"):
        incomplete, _, record = beat(code, seed=seed)
        assert 0.1 <= record.truth.parameters["qrs"] < 0.12
        assert qrs_width(incomplete) < 0.125


@pytest.mark.parametrize("seed", SEEDS)
def test_av_block_preexcitation_and_fascicular_blocks(seed):
    signal, at, record = beat("1AVB", seed=seed)
    assert record.truth.parameters["pr"] > 0.2
    ii = select(signal, ("II",))[0]
    p_peak = int(np.argmax(ii[:140]))
    assert (150 - p_peak) / RATE > 0.13  # the crest of P comes 50 to 60 ms after its onset
    _, _, record = beat("WPW", seed=seed)
    assert record.truth.parameters["pr"] < 0.12 and record.truth.parameters["qrs"] > 0.11
    for code, low, high in (("LAFB", -90, -44), ("LPFB", 90, 160)):
        signal, at, record = beat(code, seed=seed)
        qrs = slice(150, at["qrs_offset"])
        area = {name: select(signal, (name,))[0, qrs].sum() for name in ("I", "AVF")}
        measured = np.rad2deg(np.arctan2(2 / np.sqrt(3) * area["AVF"], area["I"]))
        assert low - 10 < measured < high + 10, code
        assert low <= record.truth.parameters["axis"] <= high, code
    assert record.truth.parameters["qrs"] < 0.12


@pytest.mark.parametrize("seed", SEEDS)
def test_left_ventricular_hypertrophy_meets_sokolow_lyon_and_strain_inverts_t(seed):
    signal, at, record = beat("LVH", seed=seed)
    qrs = slice(150, at["qrs_offset"])
    voltage = -select(signal, ("V1",))[:, qrs].min() + select(signal, ("V5", "V6"))[:, qrs].max()
    assert voltage >= 3.45
    assert record.truth.parameters["sokolow_lyon"] == pytest.approx(voltage, rel=0.08)
    strained, at, _ = beat("LVH", seed=seed, strain=1.0)
    assert select(strained, ("V6",))[0, at["t_peak"]] < 0
    assert st_level(strained, at, ("V6",))[0] < st_level(signal, at, ("V6",))[0]


@pytest.mark.parametrize("seed", SEEDS)
def test_right_ventricle_and_atria(seed):
    signal, _, record = beat("RVH", severity=0.75, seed=seed)
    v1 = select(signal, ("V1",))[0, 150:210]
    assert v1.max() >= 0.7 and v1.max() > -v1.min()
    assert record.truth.parameters["axis"] > 85
    left, at, _ = beat("LAO/LAE", seed=seed)
    assert (at["p_offset"] - at["p_onset"]) / RATE >= 0.12
    assert select(left, ("V1",))[0, at["p_onset"] : at["p_offset"]].min() < -0.06
    right, at, _ = beat("RAO/RAE", seed=seed)
    assert select(right, ("II",))[0, at["p_onset"] : at["p_offset"]].max() > 0.23


def test_findings_are_graded_and_the_truth_names_their_leads():
    for code in KINDS:
        if code in ("LNGQT", "1AVB", "WPW", "CLBBB", "ILBBB"):  # graded in time rather than in millivolts
            continue
        healthy, _, _ = beat(None)
        change = [np.abs(beat(code, severity=s, stage="Stadium II")[0] - healthy).max() for s in (0.2, 0.6, 1.0)]
        assert change[0] < change[2] and change[1] <= change[2] * 1.02, code
        record = beat(code, severity=0.9, stage="Stadium II")[2]
        finding = record.truth.findings[0]
        assert finding.superclass == STATEMENTS[code].superclass and finding.leads, code
        mask = record.truth.finding_mask(finding, LEADS, RATE)
        assert mask.shape == (12, 5000) and 0 < mask.mean() < 0.8
        carriers = {name for name, row in zip(LEADS, mask, strict=True) if row.any()}
        assert carriers == set(finding.leads)


def test_every_diagnostic_statement_is_sampled_and_applied():
    diagnostic = {code for code, statement in STATEMENTS.items() if statement.superclass} - {"NORM"}
    assert diagnostic == set(KINDS)
    rng = np.random.default_rng(0)
    sampled = {finding.code for _ in range(1500) for finding in sample_findings(rng, ("MI", "STTC", "CD", "HYP"), 0.25)}
    assert len(sampled) > 0.9 * len(diagnostic)
    assert sample_findings(rng, ("NORM",), 0.25) == []
    for superclass in SUPERCLASSES[1:]:
        found = sample_findings(rng, (superclass,), 0.0)
        assert found and all(STATEMENTS[f.code].superclass == superclass and f.severity >= 0.5 for f in found)
    shares = [f.severity < 0.5 for _ in range(600) for f in sample_findings(rng, ("STTC",), 0.4)]
    assert 0.32 < np.mean(shares) < 0.48


def test_an_unknown_finding_is_refused():
    with pytest.raises(ConfigError, match="VT"):
        beat("VT")

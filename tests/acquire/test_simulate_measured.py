"""Independent measurements of simulated records: beats, intervals and criteria from noisy samples, and patients."""

import functools
import itertools

import numpy as np
import pytest
import wfdb

from ecgpipe.acquire.simulate.cohort import patient_chart, plan_cohort
from ecgpipe.acquire.simulate.conditions import STAGES
from ecgpipe.acquire.simulate.dataset import simulate_dataset, simulate_one
from ecgpipe.acquire.simulate.patient import LEADS
from tests.acquire.measure import BEFORE, CRITERIA, Measured, detect, detection, measure, peaks, record_with


@pytest.mark.parametrize("detector", [detect, peaks])
@pytest.mark.parametrize("rate", [100, 500])
def test_published_detectors_find_all_beats_and_no_others(detector, rate):
    sensitivity, predictivity = detection(detector, rate, records=14)
    assert sensitivity > 0.98 and predictivity > 0.98


def test_intervals_measured_on_noisy_normal_records_agree_with_the_truth():
    errors, measured = [], []
    for seed in range(20):
        record = record_with(None, 0, seed)
        own, true = measure(record.signal), record.truth.parameters
        measured.append([own.pr, own.qrs, own.qt / own.cycle ** (1 / 3)])
        errors.append([own.pr - true["pr"], own.qrs - true["qrs"], own.qt - true["qt"]])
    bias, spread = np.median(errors, axis=0), np.quantile(np.abs(errors - np.median(errors, axis=0)), 0.9, axis=0)
    # A tangent meets the baseline inside the wave: by 10 ms at the start of P, by 20 ms at the end of T.
    assert np.all(np.abs(bias - [-0.010, -0.004, -0.018]) < 0.006)
    assert np.all(spread < 0.012)
    low, high = np.quantile(measured, (0.07, 0.93), axis=0)  # one in twenty is too noisy to measure
    assert np.all(low > (0.10, 0.06, 0.33)) and np.all(high < (0.20, 0.115, 0.46))


@functools.cache
def normal_measured() -> list[Measured]:
    return [measure(record_with(None, 0, seed).signal) for seed in range(12)]


@pytest.mark.parametrize("criterion", CRITERIA)
def test_criteria_are_met_with_the_finding_and_rarely_without(criterion):
    code, stage, meets = CRITERIA[criterion]
    assert np.mean([meets(measure(record_with(code, stage, seed).signal)) for seed in range(6)]) > 0.8
    assert np.mean([meets(normal) for normal in normal_measured()]) < 0.2


def test_limb_leads_of_the_files_obey_einthoven_and_goldberger_up_to_rounding(tmp_path):
    simulate_dataset(tmp_path, records=12, seed=9, sampling_rates=(100, 500))
    for path in tmp_path.glob("records*/00000/*.hea"):
        units = wfdb.rdrecord(str(path.with_suffix("")), physical=False).d_signal.T.astype(float)
        i, ii, iii, avr, avl, avf = units[:6]
        # Each sample is rounded to a unit, 1 uV: half a unit for every lead in the sum.
        assert np.abs(ii - i - iii).max() <= 1.5
        assert np.abs(avr + (i + ii) / 2).max() <= 1.0
        assert np.abs(avl - (i - iii) / 2).max() <= 1.0
        assert np.abs(avf - (ii + iii) / 2).max() <= 1.0
        assert np.ptp(units, axis=1).min() > 50
        assert len(units) == len(LEADS)


def test_records_of_one_patient_are_more_alike_than_those_of_strangers_with_the_same_diagnosis():
    beats, owners = [], []
    for patient, superclasses in enumerate([("NORM",), ("MI",), ("CD",), ("HYP",)] * 4):
        for visit in range(2):
            record = simulate_one(3, 10 * patient + visit, patient, superclasses, superclasses, (500,), visit=visit)
            own = measure(record[500].signal).beat[:, BEFORE - 60 : BEFORE + 160].ravel()
            beats.append((own - own.mean()) / np.linalg.norm(own - own.mean()))
            owners.append(patient)
    owners, alike = np.array(owners), np.array(beats) @ np.array(beats).T
    np.fill_diagonal(alike, -1)
    same = (owners[:, None] == owners) & ~np.eye(len(owners), dtype=bool)
    same_diagnosis = (owners[:, None] % 4 == owners % 4) & (owners[:, None] != owners)
    assert np.median(alike[same]) > np.median(alike[same_diagnosis]) + 0.15
    # Found again among 31 records; chance is 3%.
    assert np.mean(owners[alike.argmax(axis=1)] == owners) > 0.6


def test_findings_persist_and_infarctions_age():
    for patient in range(30):
        chart = patient_chart(5, patient, ("MI", "CD"), 0.25)
        visits = [chart.findings(("MI", "CD"), visit, np.random.default_rng(visit)) for visit in range(4)]
        assert len({tuple(finding.code for finding in findings) for findings in visits}) == 1
        for before, after in itertools.pairwise(visits):
            for one, two in zip(before, after, strict=True):
                assert STAGES.index(two.stage) >= STAGES.index(one.stage)
                assert (one.severity < 0.5) == (two.severity < 0.5) and abs(one.severity - two.severity) < 0.3
    codes = [
        patient_chart(5, patient, ("MI",), 0.25).findings(("MI",), 0, np.random.default_rng(0)) for patient in range(40)
    ]
    assert len({finding.code for findings in codes for finding in findings}) > 3


def test_patients_have_as_many_records_as_in_ptbxl():
    cohort = plan_cohort(21799, seed=4)
    patients, records = np.unique(cohort.patient, return_counts=True)
    assert abs(len(patients) - 18869) < 150  # PTB-XL 1.0.3: 21,799 records of 18,869 patients
    counts = np.bincount(records, minlength=11)
    for number, wanted in {1: 16758, 2: 1590, 3: 350, 4: 99}.items():
        assert abs(counts[number] - wanted) < 5 * np.sqrt(wanted)
    last = {}
    for patient, visit in zip(cohort.patient.tolist(), cohort.visit.tolist(), strict=True):
        assert visit == last.get(patient, -1) + 1
        last[patient] = visit

"""One simulated recording: lead relations, textbook ranges, and truth compared with the signal."""

import numpy as np
import pytest
from scipy.signal import welch

from ecgpipe.acquire.simulate.findings import Finding
from ecgpipe.acquire.simulate.patient import LEADS, STANDARD_LEADS, electrode_matrix, lead_matrix
from ecgpipe.acquire.simulate.record import SimulatedRecord, simulate_rates, simulate_record
from ecgpipe.acquire.simulate.rhythm import RHYTHMS
from ecgpipe.artifacts.truth import Truth
from ecgpipe.errors import ConfigError

EVERY_CLASS = [("NORM",), ("MI",), ("STTC",), ("CD",), ("HYP",), ("MI", "STTC", "CD", "HYP"), ()]


def simulate(seed: int, superclasses: tuple[str, ...] = (), sampling_rate: int = 100, **options) -> SimulatedRecord:
    return simulate_record(np.random.default_rng(seed), superclasses, sampling_rate, **options)


def lead(signal: np.ndarray, name: str) -> np.ndarray:
    return signal[LEADS.index(name)]


@pytest.mark.parametrize("superclasses", EVERY_CLASS)
def test_limb_leads_obey_einthoven_and_goldberger_with_noise(superclasses):
    signal = simulate(3, superclasses, noise=2.0).signal
    i, ii, iii = (lead(signal, name) for name in ("I", "II", "III"))
    assert np.allclose(ii, i + iii, atol=1e-12)
    assert np.allclose(lead(signal, "AVR"), -(i + ii) / 2, atol=1e-12)
    assert np.allclose(lead(signal, "AVL"), (i - iii) / 2, atol=1e-12)
    assert np.allclose(lead(signal, "AVF"), (ii + iii) / 2, atol=1e-12)
    assert np.abs(signal).max() > 0.5


def test_leads_of_the_mean_torso_are_those_of_dower():
    # Leads I and II as published; V1 looks from the front and right, aVF from below.
    assert np.allclose(STANDARD_LEADS[:2], [(0.632, -0.235, 0.059), (0.235, 1.066, -0.132)])
    assert (lead_matrix() @ np.ones(9)).max() == pytest.approx(0)  # a common potential is seen by no lead
    assert electrode_matrix()[:3].sum(axis=0) == pytest.approx(0)


def test_normal_records_stay_within_textbook_ranges():
    records = [simulate(seed, ("NORM",), noise=0, ectopics=()) for seed in range(60)]
    parameters = [record.truth.parameters for record in records]
    column = {name: np.array([p[name] for p in parameters]) for name in ("pr", "qrs", "qtc", "axis", "sokolow_lyon")}
    column["pr"] = column["pr"][~np.isnan(column["pr"])]
    assert column["pr"].min() >= 0.12 and column["pr"].max() <= 0.20
    assert column["qrs"].min() >= 0.07 and column["qrs"].max() < 0.11
    assert column["qtc"].min() >= 0.35 and column["qtc"].max() <= 0.46
    assert np.mean((column["axis"] > -30) & (column["axis"] < 95)) > 0.95
    assert np.mean(column["sokolow_lyon"] < 3.5) > 0.85  # 95% of the normal records of our real subset
    clean = np.stack([record.clean for record in records])
    r_in_ii, s_in_v1 = clean[:, 1].max(axis=1), -clean[:, 6].min(axis=1)
    assert 0.6 < np.median(r_in_ii) < 1.4 and 0.6 < np.median(s_in_v1) < 1.5  # PTB-XL's medians: 0.96 and 0.95
    for record in records:  # aVR is negative and V5 upright in a normal heart; R grows from V1 to V4
        assert -record.clean[3].min() > record.clean[3].max()
        assert record.clean[10].max() > -record.clean[10].min()
    assert np.mean([r.clean[9].max() > r.clean[6].max() for r in records]) > 0.95


def test_heart_rates_of_the_rhythms():
    limits = {
        "SR": (60, 100),
        "SARRH": (50, 95),
        "SBRAD": (38, 60),
        "STACH": (100, 145),
        "AFIB": (55, 160),
        "AFLT": (65, 170),
    }
    assert set(limits) == set(RHYTHMS)
    for rhythm_code, (low, high) in limits.items():
        for seed in range(12):
            record = simulate(seed, rhythm_code=rhythm_code, findings=(), ectopics=(), noise=0)
            assert low - 2 <= record.truth.parameters["heart_rate"] <= high + 2, (rhythm_code, seed)


def test_fibrillation_has_no_p_and_cycles_vary_by_rhythm():
    spread = {}
    for rhythm_code in ("SR", "SARRH", "AFIB"):
        records = [simulate(seed, rhythm_code=rhythm_code, findings=(), ectopics=()) for seed in range(15)]
        cycles = [np.diff(record.truth.beats["r_peak"]) for record in records]
        spread[rhythm_code] = np.median([c.std() / c.mean() for c in cycles])
        no_p = [np.isnan(record.truth.beats["p_onset"]).all() for record in records]
        assert all(no_p) if rhythm_code == "AFIB" else not any(no_p)
        assert all(np.isnan(record.truth.parameters["pr"]) for record in records) == (rhythm_code == "AFIB")
    assert spread["SR"] < 0.06 < spread["SARRH"] < 0.14 < spread["AFIB"]


def test_ectopic_beats_are_early_and_ventricular_ones_wide():
    for seed in range(10):
        record = simulate(seed, ectopics=("PVC",), rhythm_code="SR", findings=())
        truth = record.truth
        early = np.flatnonzero(truth.kinds == "V")
        assert len(early) >= 1
        width = truth.beats["qrs_offset"] - truth.beats["qrs_onset"]
        assert width[early].min() > 0.12 > width[truth.kinds == "N"].max()
        cycles = np.diff(truth.beats["qrs_onset"])
        for beat in early[(early > 0) & (early < len(cycles))]:
            assert cycles[beat - 1] < 0.85 * np.median(cycles) < cycles[beat]  # and a compensatory pause
        assert np.isnan(truth.beats["p_onset"][early]).all()


def _steepness(record):
    """(samples,) the largest slope over the leads, mV/s."""
    return np.abs(np.gradient(record.clean, axis=1)).max(axis=0) * record.sampling_rate


def test_onsets_of_the_truth_agree_with_the_clean_signal():
    errors = {"qrs_onset": [], "qrs_offset": [], "t_peak": [], "p_onset": []}
    for seed in range(25):
        record = simulate(seed, ("NORM",), 500, noise=0, rhythm_code="SR", ectopics=())
        slope, beats = _steepness(record), record.truth.beats
        for beat in range(1, len(beats["r_peak"]) - 1):
            at = {name: round(float(times[beat]) * 500) for name, times in beats.items()}
            around = slice(at["r_peak"] - 60, at["r_peak"] + 60)
            steep = np.flatnonzero(slope[around] > 0.05 * slope[around].max()) + around.start
            errors["qrs_onset"].append(steep[0] - at["qrs_onset"])
            errors["qrs_offset"].append(steep[-1] - at["qrs_offset"])
            t_wave = np.linalg.norm(record.clean[:, at["qrs_offset"] + 30 : at["t_offset"] + 10], axis=0)
            errors["t_peak"].append(int(np.argmax(t_wave)) + at["qrs_offset"] + 30 - at["t_peak"])
            before = record.clean[:, at["p_onset"] - 20 : at["qrs_onset"] - 5]
            p_wave = np.linalg.norm(before - before[:, :5].mean(axis=1, keepdims=True), axis=0)
            errors["p_onset"].append(int(np.argmax(p_wave > 0.08 * p_wave.max())) - 20)
    for name, samples in errors.items():
        limit = 0.016 if name == "t_peak" else 0.012
        assert abs(np.median(samples)) / 500 < limit, name
        assert np.quantile(np.abs(samples), 0.9) / 500 < 2 * limit, name


def test_the_waves_are_within_their_intervals():
    for seed in range(5):
        record = simulate(seed, ("NORM",), 500, noise=0, rhythm_code="SR", ectopics=())
        energy = _steepness(record) ** 2
        inside = {part: np.zeros(len(energy), dtype=bool) for part in ("QRS", "P", "ST", "T")}
        for part, mask in inside.items():
            for start, stop in record.truth.intervals(part):
                mask[max(0, round(start * 500)) : round(stop * 500)] = True
        beats = record.truth.beats
        whole = slice(max(0, round(beats["p_onset"][1] * 500)), round(beats["t_offset"][-2] * 500))
        total = energy[whole].sum()
        assert energy[whole][inside["QRS"][whole]].sum() > 0.9 * total
        assert energy[whole][np.any(list(inside.values()), axis=0)[whole]].sum() > 0.995 * total
        assert inside["QRS"].mean() < 0.2


def test_both_rates_are_the_same_recording():
    both = simulate_rates(np.random.default_rng(5), ("CD",), (100, 500))
    alone = simulate(5, ("CD",), 100)
    assert both[100].signal.shape == (12, 1000) and both[500].signal.shape == (12, 5000)
    assert np.array_equal(both[100].signal, alone.signal)
    assert both[100].truth.to_dict() == both[500].truth.to_dict() == alone.truth.to_dict()
    # T and the baseline change slowly: there the low rate is the high rate's every fifth sample.
    slow = np.abs(np.gradient(both[500].clean, axis=1)).max(axis=0)[::5] < 0.002
    slow[:10] = slow[-10:] = False
    assert slow.sum() > 200
    assert np.abs(both[100].clean - both[500].clean[:, ::5])[:, slow].max() < 0.03


def test_noise_scales_and_has_its_bands():
    quiet = simulate(1, ("NORM",), 500, noise=0)
    noisy = simulate(1, ("NORM",), 500, noise=1)
    assert np.array_equal(quiet.signal, quiet.clean)
    assert np.array_equal(noisy.clean, quiet.clean)
    added = noisy.signal - noisy.clean
    assert 0.005 < added.std() < 0.2
    records = [simulate(seed, ("NORM",), 500) for seed in range(12)]
    spectra = [welch(record.signal - record.clean, 500, nperseg=2500) for record in records]
    # The median record: one with a moved electrode has another spectrum.
    frequency, usual = spectra[0][0], np.median([power.mean(axis=0) for _, power in spectra], axis=0)

    def band(low: float, high: float) -> float:
        return usual[(frequency >= low) & (frequency <= high)].mean()

    assert band(49.9, 50.1) > 8 * band(52, 60)  # mains
    assert band(0.1, 0.5) > 1000 * band(2, 8)  # wander
    assert band(20, 60) > 2 * band(2, 8) and band(20, 60) > 5 * band(150, 200)  # muscle


def test_truth_can_be_stored_and_read():
    truth = simulate(11, ("MI", "CD"), ectopics=("PVC",)).truth
    again = Truth.from_dict(truth.to_dict())
    assert again.findings[0].leads == truth.findings[0].leads
    assert np.array_equal(again.kinds, truth.kinds)
    for name, times in truth.beats.items():
        assert np.allclose(again.beats[name], times, atol=0.00051, equal_nan=True)
    assert again.to_dict()["beats_ms"] == truth.to_dict()["beats_ms"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"superclasses": ("FOO",)},
        {"sampling_rate": 10},
        {"seconds": 0.5},
        {"difficulty": 2},
        {"noise": -1},
        {"rhythm_code": "VF"},
        {"ectopics": ("XYZ",)},
        {"rhythm_code": "AFIB", "findings": (Finding("RAO/RAE", 0.7),)},
        {"rhythm_code": "AFLT", "findings": (Finding("LAFB", 0.7), Finding("1AVB", 0.7))},
    ],
)
def test_arguments_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError):
        simulate_record(**{"rng": np.random.default_rng(0), "superclasses": ("NORM",)} | wrong)

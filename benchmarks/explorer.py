"""Size of the report and speed of its explorer with many records: python -m benchmarks.explorer --records 5000.

The records' answers are random, the page is built by the report's own code and opened in Chromium.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np
from selenium import webdriver

from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.config.analysis import ReportConfig
from ecgpipe.report.build import build_report
from tests.report.made import SUPERCLASSES, make_results

FILTERS = """
const set = (field, value) => { const f = document.getElementById(field), start = performance.now(); f.value = value;
  f.dispatchEvent(new Event("input")); document.body.offsetHeight; return performance.now() - start; };
const times = [["f-outcome", "wrong"], ["f-truth", "1"], ["f-order", "sure"], ["f-id", "12"], ["f-view", "0"]];
return Object.fromEntries(times.map(([field, value]) => [field, set(field, value)]));
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=5000)
    count = parser.parse_args().records
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name, "results"), Path(name, "report")
        inputs = make_results(folder)
        out.mkdir()
        files = (out / "index.html", out / "scores.csv", out / "problems.csv", out / "tables")
        build_report(inputs, ReportConfig(explorer_pictures=0), *files)
        small = files[0].stat().st_size
        ids = np.array([f"{number:05d}" for number in range(count)])
        targets = np.eye(5, dtype=np.uint8)[rng.integers(0, 5, count)]
        for run in folder.glob("simulated/patient/*/seed-0"):
            logits = (2 * targets + rng.normal(size=targets.shape)).astype(np.float32)
            predictions = Predictions(ids, np.full(count, "test"), logits, targets, SUPERCLASSES, "single")
            predictions.write(run / "predictions.parquet")
        build_report(inputs, ReportConfig(explorer_pictures=0), *files)
        grown = files[0].stat().st_size - small
        models = len(list(folder.glob("simulated/patient/*/seed-0")))
        each = grown / count / models
        print(f"{count} records, {models} models: {grown / 1e6:.2f} MB, {each:.0f} bytes a record and model")
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or ""
        for argument in (
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            f"--user-data-dir={name}/profile",
        ):
            options.add_argument(argument)
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
        try:
            driver.get(files[0].as_uri())
            loaded = driver.execute_script(
                "return performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
            )
            print(f"page ready after {loaded:.0f} ms")
            for field, milliseconds in driver.execute_script(FILTERS).items():
                print(f"{field}: {milliseconds:.1f} ms")
        finally:
            driver.quit()


if __name__ == "__main__":
    main()

"""Times the comparison of models: python benchmarks/compare.py [--records 2000] [--classes 5] [--models 9]

The answers are random; every second record shares its patient with the next one.
"""

import argparse
import time

import numpy as np

from ecgpipe.artifacts.predictions import Predictions
from ecgpipe.config.analysis import EvaluateConfig
from ecgpipe.evaluate.compare import compare_models
from ecgpipe.evaluate.model_scores import Reported, bootstrap_scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("records", 2000), ("classes", 5), ("models", 9), ("seeds", 1), ("resamples", 2000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    targets = np.eye(args.classes, dtype=np.uint8)[rng.integers(0, args.classes, args.records)]
    ids = np.array([f"{i:06d}" for i in range(args.records)])
    patients = np.array([f"{i // 2:06d}" for i in range(args.records)])
    names = tuple(f"class {i}" for i in range(args.classes))
    roles, parts = np.full(args.records, "test"), np.full(args.records, "folds")

    def answers() -> Reported:
        logits = (1.5 * targets + rng.normal(size=targets.shape)).astype(np.float32)
        return Reported(Predictions(ids, roles, logits, targets, names, "single"), parts, patients)

    models = {f"model {i}": {seed: answers() for seed in range(args.seeds)} for i in range(args.models)}
    config = EvaluateConfig(resamples=args.resamples, reference="model 0")
    for name, work in (("scores of all resamples", bootstrap_scores), ("the whole comparison", compare_models)):
        start, busy = time.perf_counter(), time.process_time()
        work(models, config)
        print(f"{name}: {time.perf_counter() - start:.1f} s, {time.process_time() - busy:.1f} s of processor time")


if __name__ == "__main__":
    main()

"""Predictions as lines for people."""

from ecgpipe.artifacts.model_folder import SavedModel
from ecgpipe.predict.predictor import Prediction, Unusual


def told(prediction: Prediction) -> str:
    """A prediction as a few lines: a class each, and what else is to be known."""
    page = "page found and straightened" if prediction.straightened else ""
    lines = [f"{prediction.name}{': ' + page if page else ''}"]
    width = max(map(len, prediction.classes))
    order = sorted(range(len(prediction.classes)), key=lambda i: -prediction.probabilities[i])
    for i in order:
        label = prediction.classes[i]
        marks = ["called"] if label in prediction.called else []
        reached = [decision.specificity for decision in prediction.decisions.get(label, ()) if decision.called]
        if reached:
            marks.append(f"above the threshold of {max(reached):.0%} specificity")
        raw = "" if prediction.calibrated is None else f"  (uncalibrated {prediction.raw[i]:6.1%})"
        lines.append(f"  {label:<{width}}  {prediction.probabilities[i]:6.1%}{raw}  {', '.join(marks)}".rstrip())
    lines += [f"  note: {note}" for note in prediction.notes]
    if prediction.unusual is not None and prediction.unusual.unusual:
        lines.append(f"  UNUSUAL: {_why(prediction.unusual)}")
    return "\n".join(lines)


def _why(unusual: Unusual) -> str:
    what = "where its ink is" if unusual.ink >= unusual.features else "what the model makes of it"
    return (
        f"this does not look like the training images ({what}; score {unusual.score:.2f}, usual up to 1): is it a "
        "whole ECG page, upright, of the layout that the model learned? The probabilities mean little here."
    )


def about_model(saved: SavedModel) -> str:
    """What holds for all predictions of a model, in two sentences."""
    fitted, ood = saved.calibration, saved.ood
    if fitted is None:
        calibration = (
            "No calibration is stored with this model: probabilities may promise too much or too little (evaluate the "
            "run and save it again: ecgpipe card RUN_DIR)."
        )
    else:
        method = {"temperature": "temperature scaling", "platt": "Platt scaling"}[fitted.method]
        on = "validation records" if fitted.fitted_on == "validation" else "records that the scores are of, too"
        calibration = f"Probabilities are calibrated ({method} on {fitted.records} {on})."
        if fitted.left_out:
            calibration += f" Not so: {', '.join(fitted.left_out)}."
    if ood is None:
        return f"{calibration} Whether an image is unusual cannot be told: this model has no statistics for it."
    return calibration

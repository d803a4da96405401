"""The signal reference: a small one-dimensional residual network on the recordings themselves.

Readers ask what a picture costs: this says what the same records and splits give without one. It follows the common
design of the field (Wang et al. 2017; Strodthoff et al. 2021, arXiv:2004.13701), smaller, and is not tuned.
"""

import math

import numpy as np
import torch
from torch import nn

from ecgpipe.progress import progress

WIDTHS = (32, 64, 128, 256)
KERNEL = 7
BATCH = 64
RATE = 3e-3
DECAY = 1e-2
SHIFT = 100
"""Samples by which a training signal is moved at most, 1 s to either side; what comes in is 0."""


class Block(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv1d(inputs, outputs, KERNEL, stride, KERNEL // 2, bias=False),
            nn.BatchNorm1d(outputs),
            nn.ReLU(),
            nn.Conv1d(outputs, outputs, KERNEL, 1, KERNEL // 2, bias=False),
            nn.BatchNorm1d(outputs),
        )
        self.short = nn.Sequential(
            nn.AvgPool1d(stride, ceil_mode=True) if stride > 1 else nn.Identity(),
            nn.Conv1d(inputs, outputs, 1, bias=False) if inputs != outputs else nn.Identity(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, inputs, samples) -> (n, outputs, samples / stride)."""
        return torch.relu(self.path(x) + self.short(x))


class ResNet1d(nn.Module):
    """12 leads of 1,000 samples -> logits.

    Args:
        classes: outputs.
    """

    def __init__(self, classes: int, leads: int = 12) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv1d(leads, WIDTHS[0], KERNEL, 2, KERNEL // 2, bias=False), nn.BatchNorm1d(WIDTHS[0]), nn.ReLU()
        ]  # fmt: skip
        for number, width in enumerate(WIDTHS):
            inputs = WIDTHS[max(0, number - 1)]
            layers += [Block(inputs, width, 2 if number else 1), Block(width, width, 1)]
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(2 * WIDTHS[-1], classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, leads, samples) -> (n, classes)."""
        maps = self.features(x)
        return self.head(torch.cat([maps.mean(dim=2), maps.amax(dim=2)], dim=1))


def signal_reference(
    signals: np.ndarray, targets: np.ndarray, roles: np.ndarray, task: str, epochs: int, seed: int
) -> np.ndarray:
    """Train on the training records, keep the weights of the epoch with the lowest validation loss, predict all others.

    Without validation records the last epoch's weights are kept.

    Args:
        signals: (n, 12, 1000) mV.
        targets: (n, classes) 0/1.
        roles: (n,) train, validation, test.
        task: ``single`` (cross-entropy) or ``multilabel`` (binary cross-entropy).
        epochs: of training, under one cycle of the rate.
        seed: of weights, order and shifts.

    Returns:
        (m, classes) float32 logits of the records that are not for training, in their order.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train, validation, other = (np.flatnonzero(mask) for mask in _masks(roles))
    spread = max(float(signals[train].astype(np.float32).std()), 1e-6)
    inputs = torch.from_numpy(signals.astype(np.float32) / spread)
    truth = torch.from_numpy(targets.astype(np.float32))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = ResNet1d(targets.shape[1]).to(device)
    dropout = torch.Generator(device="cpu").manual_seed(seed)
    loss = nn.BCEWithLogitsLoss() if task == "multilabel" else nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), RATE, weight_decay=DECAY)
    batch_size = min(BATCH, max(2, len(train) // 16))  # few records: still some steps an epoch
    steps = len(train) // batch_size  # the rest waits for another epoch's order
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=max(2, steps * epochs))
    best, kept = math.inf, None
    generator = np.random.default_rng(seed)
    for _ in progress(range(epochs), "signal reference", epochs, "epochs"):
        model.train()
        order = generator.permutation(train)
        for step in range(steps):
            chosen = order[step * batch_size : (step + 1) * batch_size]
            batch = _shifted(inputs[chosen], generator.integers(-SHIFT, SHIFT + 1, len(chosen)))
            with torch.random.fork_rng(devices=[]):  # dropout by our seed, the caller's generator untouched
                torch.manual_seed(int(torch.randint(2**31, (1,), generator=dropout)))
                value = loss(model(batch.to(device)), truth[chosen].to(device))
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            schedule.step()
        if len(validation):
            now = float(loss(_logits(model, inputs[validation], device), truth[validation]))
            if now < best:
                best, kept = now, {name: tensor.clone() for name, tensor in model.state_dict().items()}
    if kept is not None:
        model.load_state_dict(kept)
    return _logits(model, inputs[other], device).numpy()


def _masks(roles: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return roles == "train", roles == "validation", roles != "train"


def _shifted(batch: torch.Tensor, by: np.ndarray) -> torch.Tensor:
    """Each signal moved by so many samples."""
    result = torch.zeros_like(batch)
    length = batch.shape[2]
    for row, shift in enumerate(by.tolist()):
        target, source = max(0, shift), max(0, -shift)
        result[row, :, target : length - source] = batch[row, :, source : length - target]
    return result


@torch.inference_mode()
def _logits(model: nn.Module, inputs: torch.Tensor, device: torch.device) -> torch.Tensor:
    model.eval()
    parts = [model(part.to(device)).float().cpu() for part in inputs.split(256)] if len(inputs) else []
    return torch.cat(parts) if parts else torch.zeros((0, model.head[1].out_features))

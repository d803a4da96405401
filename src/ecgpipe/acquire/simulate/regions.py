"""The walls of the left ventricle: the direction each lies in, and the leads that look at it."""

from dataclasses import dataclass

import numpy as np

from ecgpipe.acquire.simulate.leads import rows


@dataclass(frozen=True)
class Region:
    """A wall of the heart.

    Attributes:
        name: as a cardiologist says it.
        direction: (3,) from the centre of the heart to the wall, in body axes.
        leads: those that face it (for the posterior wall: those that see it mirrored).
        sign: 1 where the leads face the wall, -1 where they see it from behind.
    """

    name: str
    direction: tuple[float, float, float]
    leads: tuple[str, ...]
    sign: int = 1

    def vector(self, millivolts: float) -> np.ndarray:
        """(3,): the dipole towards this wall that its leads see as ``millivolts``, averaged over them."""
        direction = np.array(self.direction)
        return direction * millivolts * self.sign / (rows(self.leads) @ direction).mean()

    def seen(self, vector: np.ndarray) -> float:
        """The mean of ``vector`` (mV) over this wall's leads, counted towards the wall."""
        return float(self.sign * (rows(self.leads) @ vector).mean())

    def unit(self) -> np.ndarray:
        """(3,): the direction with length one."""
        return np.array(self.direction) / np.linalg.norm(self.direction)


REGIONS = {
    region.name: region
    for region in (
        Region("anteroseptal", (0.05, -0.10, -1.0), ("V1", "V2", "V3")),
        Region("anterior", (0.35, -0.10, -0.90), ("V2", "V3", "V4")),
        Region("anterolateral", (0.80, -0.50, -0.60), ("I", "AVL", "V3", "V4", "V5", "V6")),
        Region("lateral", (1.00, -0.55, 0.15), ("I", "AVL", "V5", "V6")),
        Region("inferior", (-0.15, 1.00, 0.10), ("II", "III", "AVF")),
        Region("inferolateral", (0.60, 0.90, 0.10), ("II", "III", "AVF", "V5", "V6")),
        Region("posterior", (0.10, 0.10, 1.00), ("V1", "V2", "V3"), sign=-1),
        Region("inferoposterior", (-0.10, 0.90, 0.40), ("II", "III", "AVF")),
        Region("inferoposterolateral", (0.50, 0.85, 0.40), ("II", "III", "AVF", "V6")),
        Region("apical", (1.00, 0.50, 0.00), ("I", "II", "V4", "V5", "V6")),
    )
}

"""The single-season occupancy model as its authors wrote it down, with nothing beside it.

Source: MacKenzie et al. (2002), doi:10.1890/0012-9658(2002)083[2248:ESORWD]2.0.CO;2.
"""

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit


def log_likelihood(histories: np.ndarray, occupied: float, detected: float) -> float:
    """Log likelihood of (n_sites, n_occasions) histories of 1, 0 and NaN; a missing occasion says nothing."""
    chances = np.where(np.isnan(histories), 1.0, np.where(histories == 1, detected, 1 - detected))
    is_never = ~(histories == 1).any(axis=1)
    return float(np.log(occupied * chances.prod(axis=1) + (1 - occupied) * is_never).sum())


def fit(histories: np.ndarray) -> tuple[float, float]:
    """The shares of sites occupied and of occasions detected that make the histories likeliest."""
    found = minimize(
        lambda logits: -log_likelihood(histories, *expit(logits)), [0.0, 0.0], method="Nelder-Mead"
    )
    occupied, detected = expit(found.x)
    return float(occupied), float(detected)

"""Simulates a file like the German credit data from its published description; it contains no original row."""

import csv
from pathlib import Path

import numpy as np

# Level codes with approximate shares, and their effect on the log-odds of default.
LEVELS = {
    "checking_status": {"A11": (0.27, 0.8), "A12": (0.27, 0.4), "A13": (0.06, -0.2), "A14": (0.40, -1.0)},
    "credit_history": {
        "A30": (0.04, 0.8),
        "A31": (0.05, 0.8),
        "A32": (0.53, 0.0),
        "A33": (0.09, 0.0),
        "A34": (0.29, -0.6),
    },
    "purpose": {"A40": (0.24, 0.3), "A41": (0.10, -0.6), "A42": (0.18, 0.0), "A43": (0.28, -0.3), "A49": (0.20, 0.2)},
    "savings": {"A61": (0.60, 0.3), "A62": (0.10, 0.1), "A63": (0.06, -0.4), "A64": (0.05, -0.7), "A65": (0.19, -0.5)},
    "employment_since": {
        "A71": (0.06, 0.4),
        "A72": (0.17, 0.4),
        "A73": (0.34, 0.0),
        "A74": (0.18, -0.3),
        "A75": (0.25, -0.3),
    },
    "personal_status_sex": {"A91": (0.05, 0.0), "A92": (0.31, 0.0), "A93": (0.55, 0.0), "A94": (0.09, 0.0)},
    "guarantors": {"A101": (0.91, 0.0), "A102": (0.04, 0.3), "A103": (0.05, -0.4)},
    "property": {"A121": (0.28, -0.3), "A122": (0.23, 0.0), "A123": (0.33, 0.0), "A124": (0.16, 0.4)},
    "other_plans": {"A141": (0.14, 0.4), "A142": (0.05, 0.3), "A143": (0.81, -0.1)},
    "housing": {"A151": (0.18, 0.3), "A152": (0.71, -0.1), "A153": (0.11, 0.2)},
    "job": {"A171": (0.02, 0.0), "A172": (0.20, 0.0), "A173": (0.63, 0.0), "A174": (0.10, 0.0), "": (0.05, 0.0)},
    "telephone": {"A191": (0.60, 0.1), "A192": (0.40, -0.1)},
    "foreign_worker": {"A201": (0.96, 0.0), "A202": (0.04, -0.3)},
}


def write_german_csv(path: Path, *, rows: int = 1000, seed: int = 1) -> Path:
    random = np.random.default_rng(seed)
    risk = np.full(rows, -0.75)
    columns: dict[str, list[object]] = {"loan_no": [f"{seed}-{row}" for row in range(rows)]}
    for name, levels in LEVELS.items():
        shares = np.array([share for share, _ in levels.values()])
        drawn = random.choice(len(levels), rows, p=shares / shares.sum())
        risk += np.array([effect for _, effect in levels.values()])[drawn]
        columns[name] = [list(levels)[place] for place in drawn]
    duration = np.clip(np.rint(random.lognormal(2.9, 0.55, rows)), 4, 72).astype(int)
    amount = np.clip(np.rint(duration * random.lognormal(5.0, 0.6, rows)), 250, 20_000).astype(int)
    rate = random.integers(1, 5, rows)
    risk += 0.03 * (duration - 20) + 0.25 * (rate - 3) + 0.00004 * (amount - 3000)
    columns |= {"duration": duration.tolist(), "amount": amount.tolist(), "installment_rate": rate.tolist()}
    columns["age"] = np.clip(np.rint(random.lognormal(3.5, 0.3, rows)), 19, 75).astype(int).tolist()
    for name, high in (("residence_since", 5), ("existing_credits", 5), ("dependants", 3)):
        columns[name] = random.integers(1, high, rows).tolist()
    columns["bad"] = (random.random(rows) < 1 / (1 + np.exp(-risk))).astype(int).tolist()
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path

"""What holds for all tests: shapes are checked, and how many examples a property is tried on.

Shapes are jaxtyping's annotations, enforced by beartype while tests run, in the packages that have them. The hook
stands before any import of the library. It leaves out ``data``, ``sharing`` and ``evaluation``: they have no tensor
shapes, and beartype refuses methods that return ``Self`` when it decorates them outside their class.

Hypothesis has two profiles, chosen by the environment variable HYPOTHESIS_PROFILE. "default" tries a hundred examples,
the same ones on every machine; "nightly" tries a thousand, other ones each time. A test that is slow takes a part of
the profile's number and has none of its own.
"""

from __future__ import annotations

import os

import jaxtyping

_CHECKED = [
    f"fedshare.{package}" for package in ("models", "federation", "training", "algorithms", "simulation", "unlearning")
]
jaxtyping.install_import_hook(_CHECKED, "beartype.beartype")

import pytest  # noqa: E402
import torch  # noqa: E402
from hypothesis import settings  # noqa: E402

from fedshare.sharing.ledger import Ledger  # noqa: E402
from fedshare.simulation.run import Run  # noqa: E402
from fedshare.testing.synthetic import small_fedshare, small_ledger, train_small  # noqa: E402

# no deadline: a busy machine is no failure
settings.register_profile("default", max_examples=100, deadline=None, derandomize=True)
settings.register_profile("nightly", max_examples=1000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

torch.set_num_threads(1)  # tiny tensors: more threads only wait for one another


@pytest.fixture(scope="session")
def half_shared() -> Ledger:
    """14 people, 30 items; everybody shares half."""
    return small_ledger(0.5)


@pytest.fixture(scope="session")
def small_run(half_shared: Ledger) -> Run:
    """FedShare after three rounds on ``half_shared``; runs are values, so all tests may read this one."""
    return train_small(small_fedshare(), half_shared, rounds=3, seed=1)

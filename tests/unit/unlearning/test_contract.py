"""Every unlearning method keeps to the contract."""

from __future__ import annotations

from fedshare.algorithms.shared_ease.algorithm import SharedEASE
from fedshare.testing.contracts import UnlearnerContract
from fedshare.unlearning.contrastive import ContrastiveUnlearning
from fedshare.unlearning.drop_only import DropOnly
from fedshare.unlearning.exact import ExactUnlearning
from fedshare.unlearning.fine_tune import FineTune
from fedshare.unlearning.retrain import Retrain


class TestContrastive(UnlearnerContract):
    method = ContrastiveUnlearning(steps=5, erase_rounds=1)


class TestExact(UnlearnerContract):
    method = ExactUnlearning()
    algorithm = SharedEASE(regs=(5.0,), popularity_penalties=(0.1,), neighbours=(8,))


class TestExactByFactorisation(UnlearnerContract):
    method = ExactUnlearning(refresh="factorise")
    algorithm = SharedEASE()


class TestExactByUpdate(UnlearnerContract):
    method = ExactUnlearning(refresh="update", updates_in_a_row=1)
    algorithm = SharedEASE(regs=(5.0,), popularity_penalties=(0.0,), neighbours=(100,))


class TestRetrainSharedEASE(UnlearnerContract):
    method = Retrain()
    algorithm = SharedEASE(regs=(5.0,), popularity_penalties=(0.0,), neighbours=(100,))


class TestRetrain(UnlearnerContract):
    method = Retrain()
    trains_devices = True


class TestDropOnly(UnlearnerContract):
    method = DropOnly()


class TestFineTune(UnlearnerContract):
    method = FineTune(rounds=1)
    trains_devices = True

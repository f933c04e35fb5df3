"""Every unlearning method keeps to the contract."""

from __future__ import annotations

from fedshare.testing.contracts import UnlearnerContract
from fedshare.unlearning.contrastive import ContrastiveUnlearning
from fedshare.unlearning.drop_only import DropOnly
from fedshare.unlearning.fine_tune import FineTune
from fedshare.unlearning.retrain import Retrain


class TestContrastive(UnlearnerContract):
    method = ContrastiveUnlearning(steps=5, erase_rounds=1)


class TestRetrain(UnlearnerContract):
    method = Retrain()
    trains_devices = True


class TestDropOnly(UnlearnerContract):
    method = DropOnly()


class TestFineTune(UnlearnerContract):
    method = FineTune(rounds=1)
    trains_devices = True

"""Every unlearning method keeps to the contract."""

from __future__ import annotations

import pytest

from fedshare.testing.contracts import UnlearnerContract
from fedshare.unlearning.contrastive import ContrastiveUnlearning
from fedshare.unlearning.drop_only import DropOnly
from fedshare.unlearning.fine_tune import FineTune
from fedshare.unlearning.retrain import Retrain

COST = "the cost of training is passed on as the cost of unlearning"


class TestContrastive(UnlearnerContract):
    method = ContrastiveUnlearning(steps=5, erase_rounds=1)

    @pytest.mark.xfail(reason=COST, strict=True)
    def test_it_says_what_it_cost_and_no_more(self) -> None:
        super().test_it_says_what_it_cost_and_no_more()


class TestRetrain(UnlearnerContract):
    method = Retrain()
    trains_devices = True


class TestDropOnly(UnlearnerContract):
    method = DropOnly()

    @pytest.mark.xfail(reason=COST, strict=True)
    def test_it_says_what_it_cost_and_no_more(self) -> None:
        super().test_it_says_what_it_cost_and_no_more()


class TestFineTune(UnlearnerContract):
    method = FineTune(rounds=1)
    trains_devices = True

    @pytest.mark.xfail(reason="trains on although nothing is withdrawn", strict=True)
    def test_an_empty_request_changes_nothing(self) -> None:
        super().test_an_empty_request_changes_nothing()

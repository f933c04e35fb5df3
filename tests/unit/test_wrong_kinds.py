"""Calls with the wrong kind of thing answer with an error of the library's, in one wording.

In a process of its own: while other tests run, beartype checks the arguments of half of the library, and answers first.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json, sys
import numpy as np, polars as pl
import fedshare as fs
from fedshare.testing.synthetic import small_fedshare, small_ledger, train_small

ledger = small_ledger()
known = ledger.known
run = train_small(small_fedshare(), ledger, rounds=1)
table = pl.DataFrame({"user": ["somebody"], "item": ["tea"]})
after, request = ledger.unshare("u00", ledger.shared_items("u00")[:1])
algorithm, method = small_fedshare(), fs.DropOnly()
calls = {
    "train: nothing": lambda: fs.train(None, ledger),
    "train: swapped": lambda: fs.train(ledger, algorithm),
    "train: a class": lambda: fs.train(fs.FedShare, ledger),
    "train: a name": lambda: fs.train("fedshare", ledger),
    "train: interactions": lambda: fs.train(algorithm, known),
    "train: a table": lambda: fs.train(algorithm, table),
    "train: rounds as text": lambda: fs.train(algorithm, ledger, rounds="60"),
    "train: rounds as a float": lambda: fs.train(algorithm, ledger, rounds=2.0),
    "train: a negative seed": lambda: fs.train(algorithm, ledger, seed=-1),
    "train: a float as seed": lambda: fs.train(algorithm, ledger, seed=1.5),
    "train: a device": lambda: fs.train(algorithm, ledger, device=None),
    "train: an engine": lambda: fs.train(algorithm, ledger, engine=fs.Batched),
    "train: what is kept": lambda: fs.train(algorithm, ledger, keep=4),
    "train: a test": lambda: fs.train(algorithm, ledger, test=table),
    "share: a table": lambda: fs.share(table, fs.ShareFraction(0.5)),
    "share: nothing": lambda: fs.share(None, fs.ShareFraction(0.5)),
    "share: a number": lambda: fs.share(known, 0.5),
    "share: a class": lambda: fs.share(known, fs.ShareEverything),
    "share: swapped": lambda: fs.share(fs.ShareEverything(), known),
    "share: a negative seed": lambda: fs.share(known, fs.ShareFraction(0.5), seed=-1),
    "share: seed as text": lambda: fs.share(known, fs.ShareFraction(0.5), seed="7"),
    "evaluate: swapped": lambda: fs.evaluate(known, run),
    "evaluate: nothing": lambda: fs.evaluate(run, None),
    "evaluate: a table": lambda: fs.evaluate(run, table),
    "evaluate: a path": lambda: fs.evaluate("runs/a", known),
    "evaluate: the class": lambda: fs.evaluate(fs.Run, known),
    "evaluate: one k": lambda: fs.evaluate(run, known, ks=10),
    "evaluate: k as text": lambda: fs.evaluate(run, known, ks="10"),
    "evaluate: groups": lambda: fs.evaluate(run, known, groups=["u00"]),
    "evaluate: known": lambda: fs.evaluate(run, known, known=ledger),
    "recommend: k as text": lambda: run.recommend("u00", k="10"),
    "recommend: k as a float": lambda: run.recommend("u00", k=2.0),
    "recommend: nobody": lambda: run.recommend(None),
    "recommend: a number": lambda: run.recommend(17850),
    "recommend: a list": lambda: run.recommend(["u00"]),
    "recommend: one item": lambda: run.recommend("u00", among="i01"),
    "recommend: numbers": lambda: run.recommend("u00", exclude=[1, 2]),
    "recommend: a table": lambda: run.recommend("u00", among=table),
    "recommend_many: one user": lambda: run.recommend_many("u00"),
    "recommend_many: a number": lambda: run.recommend_many(7),
    "recommend_to: no path": lambda: run.recommend_to(None),
    "unlearn: a class": lambda: fs.unlearn(run, request, method=fs.Retrain),
    "unlearn: a name": lambda: fs.unlearn(run, request, method="retrain"),
    "unlearn: swapped": lambda: fs.unlearn(request, run, method=method),
    "unlearn: a ledger": lambda: fs.unlearn(run, after, method=method),
    "unlearn: both": lambda: fs.unlearn(run, (after, request), method=method),
    "unlearn: a path": lambda: fs.unlearn("runs/a", request, method=method),
    "audit: nothing": lambda: fs.audit(run, None, None, request),
    "audit: a path": lambda: fs.audit("a", "b", None, request),
    "audit: a ledger": lambda: fs.audit(run, run, None, after),
    "audit: a table": lambda: fs.audit(run, fs.unlearn(run, request, method=method), None, request, test=table),
    "audit: one noise run": lambda: fs.audit(run, run, None, request, noise=run),
    "split: nothing": lambda: fs.split_by_time(None),
    "split: a ledger": lambda: fs.random_split(ledger),
    "split: a fraction as text": lambda: fs.random_split(known, "0.2"),
    "split: a float as seed": lambda: fs.random_split(known, seed=0.5),
    "read_requests: no path": lambda: fs.read_requests(ledger, None),
    "read_requests: swapped": lambda: fs.read_requests("file.csv", ledger),
}
answers = {}
for name, call in calls.items():
    try:
        call()
        answers[name] = ["", ""]
    except BaseException as error:
        ours = isinstance(error, fs.FedShareError)
        answers[name] = [type(error).__name__ if ours else f"not ours: {type(error).__name__}", str(error)]
json.dump(answers, sys.stdout)
"""


@pytest.fixture(scope="module")
def answers() -> dict[str, tuple[str, str]]:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_wrong_kind_is_named_with_what_was_expected(answers: dict[str, tuple[str, str]]):
    for call, (kind, message) in answers.items():
        assert kind in ("BadOption", "BadShare", "UnknownUser"), (call, kind, message)
        assert "expected" in message, (call, message)
        assert len(message) < 300, (call, message)
        assert "somebody" not in message, call  # of a table its type is told, and nothing that is in it


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            "train: swapped",
            "algorithm: got a Ledger, expected an algorithm, such as fs.FedShare(). Write fs.train(fs.FedShare(), "
            "ledger).",
        ),
        ("train: rounds as text", "rounds: got '60', expected a whole number of 1 or more."),
        ("evaluate: a table", "test: got a polars.DataFrame, expected interactions. Take them from a split, or read "),
        ("unlearn: a class", "method: got the class Retrain, which still has to be called, expected an unlearning "),
    ],
)
def test_the_wording(answers: dict[str, tuple[str, str]], call: str, message: str):
    assert answers[call][1].startswith(message)

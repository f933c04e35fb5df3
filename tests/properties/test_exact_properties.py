"""Whatever people share, take back and erase, in whatever order: the end is training from the final share set."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from fedshare.algorithms.shared_ease.algorithm import SharedEASE
from fedshare.data.interactions import Interactions
from fedshare.errors import BadRequest
from fedshare.sharing.ledger import Ledger
from fedshare.simulation.refresh import refresh
from fedshare.simulation.run import Run
from fedshare.simulation.verify import verify
from fedshare.testing.strategies import Step, steps, worlds
from fedshare.testing.synthetic import run_bytes
from fedshare.testing.synthetic import train_small as train
from fedshare.unlearning.exact import ExactUnlearning

# options are drawn as plain values: building checked classes while drawing confuses Hypothesis
algorithms = st.fixed_dictionaries(
    {
        "regs": st.tuples(st.sampled_from([0.5, 3.0, 100.0])),
        "popularity_penalties": st.tuples(st.sampled_from([0.0, 0.3])),
        "neighbours": st.tuples(st.sampled_from([1, 2, 100])),
        "inverse_items": st.sampled_from([0, 100]),
    }
)
methods = st.fixed_dictionaries(
    {
        "refresh": st.sampled_from(["auto", "update", "factorise"]),
        "max_rank": st.sampled_from([0.3, 1.0]),
        "updates_in_a_row": st.sampled_from([1, 3, 100]),
    }
)


@st.composite
def stories(draw: st.DrawFn) -> tuple[Interactions, list[Step], dict[str, Any], list[dict[str, Any]]]:
    """A world, what people do in it, and how the model follows each time."""
    known = draw(worlds())
    assume(known.n_users >= 2 and known.n_items >= 2)
    decisions = draw(steps(known, max_steps=8))
    follow = draw(st.lists(methods, min_size=len(decisions), max_size=len(decisions)))
    return known, decisions, draw(algorithms), follow


def gram_bytes(run: Run) -> dict[str, bytes]:
    return {name: each for name, each in run_bytes(run).items() if ".gram." in name}


@settings(suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(stories())
def test_every_story_ends_in_the_bytes_of_training_from_its_end(story):
    known, decisions, options, follow = story
    algorithm = SharedEASE(**options)
    run = train(algorithm, Ledger(known))
    for decision, how in zip(decisions, follow, strict=True):
        try:
            ledger, _ = decision.apply(run.ledger)
        except BadRequest:
            continue
        run = refresh(run, ledger, method=ExactUnlearning(**how))
        assert run.ledger == ledger
    again = train(algorithm, run.ledger)
    assert gram_bytes(run)
    assert gram_bytes(run) == gram_bytes(again)  # after every story, whatever the way
    verify(run).check()  # weights: to the bit where the last way was a factorisation, to the tolerance otherwise
    restored = refresh(run, run.ledger, method=ExactUnlearning(refresh="factorise"))
    assert run_bytes(restored) == run_bytes(again)
    assert run.certificate is not None
    if run.certificate.how == "factorised":
        assert run_bytes(run) == run_bytes(again)

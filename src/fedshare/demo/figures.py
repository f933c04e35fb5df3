"""The demo's figures as ``report.json`` has them, with a type for each part.

The page is made from these figures alone. None stands for "not measured". Bytes and seconds are named so; everything
ending in ``_cpu_s`` counts all threads together.
"""

from __future__ import annotations

from typing import Literal, TypedDict

from fedshare.evaluation.figures import AuditFigures

__all__ = [
    "CaseStudyFigures",
    "CheckFigures",
    "CurveFigures",
    "CurvePoint",
    "DataFigures",
    "DemoCosts",
    "DemoFigures",
    "DensitiesByModel",
    "ExactCosts",
    "ExactFigures",
    "ListName",
    "MetricsAt20",
    "ModelName",
    "PolicyFigures",
    "QualityChange",
    "QualityFigures",
    "RecommendationLists",
    "RecommendedItem",
    "ReferenceFigures",
    "ScoreDensities",
    "ScoreFigures",
    "TitledItem",
    "VerdictFigures",
    "VerificationFigures",
    "WithdrawalCosts",
    "WithdrawalFigures",
    "WithdrawalRequest",
]

ModelName = Literal["before", "dropped", "after", "reference"]
"The main part's four models: trained, pairs dropped only, unlearned, retrained."

ListName = Literal["before", "sharing", "after"]
"The case study's three lists."

# the names of these figures are no Python names
MetricsAt20 = TypedDict("MetricsAt20", {"recall@20": float, "ndcg@20": float, "hr@20": float, "mrr@20": float})
"Means over users, of lists of 20."


class DataFigures(TypedDict):
    """The data set."""

    name: str
    embedded: bool
    "Whether it is the embedded one, Online Retail."
    n_users: int
    n_items: int
    n_known: int
    n_test: int


class QualityFigures(TypedDict):
    """Quality on the test pairs: of everybody, of users who share something, of users who share nothing."""

    metrics: MetricsAt20
    sharers: MetricsAt20 | None
    non_sharers: MetricsAt20 | None
    n_sharers: int | None
    n_users: int


class QualityChange(TypedDict):
    """Quality before and after unlearning."""

    before: QualityFigures
    after: QualityFigures


# -- quality by how many people share -------------------------------------------------------------------------------


class CurvePoint(QualityFigures):
    """One FedShare model, trained while a fraction of the people share everything."""

    share: float
    cpu_s: float
    wall_s: float


class ReferenceFigures(TypedDict):
    """A model to compare with, which sees everybody's data."""

    name: str
    label: str
    metrics: MetricsAt20
    cpu_s: float


class CurveFigures(TypedDict):
    """Quality by the fraction of the people who share."""

    points: list[CurvePoint]
    references: list[ReferenceFigures]


# -- withdrawal, unlearning, audit ----------------------------------------------------------------------------------


class WithdrawalRequest(TypedDict):
    """What was taken back, by how many people, of how much."""

    n_pairs: int
    n_users: int
    n_shared: int
    "Pairs that these people shared before."


class VerdictFigures(TypedDict):
    """Whether an audit's policy is met; None where a figure that it needs was not measured."""

    passed: bool | None
    broken: list[str]
    "A sentence for each broken bound, or for what is missing."


class PolicyFigures(TypedDict):
    """The bounds of `AuditPolicy` that the demo audits by."""

    max_forget_gap: float
    max_utility_drop: float


class ScoreDensities(TypedDict):
    """Densities of one model's standardised scores, on a grid."""

    withdrawn: list[float]
    never_shared: list[float]


class DensitiesByModel(TypedDict):
    """Densities under each of the four models."""

    before: ScoreDensities
    dropped: ScoreDensities
    after: ScoreDensities
    reference: ScoreDensities


class ScoreFigures(TypedDict):
    """Where the densities are given, and the densities."""

    grid: list[float]
    models: DensitiesByModel


class WithdrawalCosts(TypedDict):
    """Time, bytes moved and bytes kept; the bytes of FedEraser and FRU are computed, for the same training."""

    train_cpu_s: float
    unlearn_cpu_s: float
    unlearn_wall_s: float
    retrain_cpu_s: float
    retrain_wall_s: float
    kept_bytes: int
    kept_bytes_per_device: int
    model_bytes: int
    federaser_bytes: int
    fru_bytes: int
    fru_bytes_per_device: int
    rounds: int
    bytes_up_per_round: float
    "Of one device, mean over the devices."
    bytes_down_per_round: float


class WithdrawalFigures(TypedDict):
    """The main part."""

    share: float
    request: WithdrawalRequest
    audit: AuditFigures
    control: AuditFigures
    "An audit of dropping the pairs without unlearning."
    verdict: VerdictFigures
    control_verdict: VerdictFigures
    policy: PolicyFigures
    scores: ScoreFigures
    quality: QualityChange
    costs: WithdrawalCosts


# -- the exact path -------------------------------------------------------------------------------------------------


class ExactCosts(TypedDict):
    """Time, bytes kept and bytes downloaded by a device."""

    train_cpu_s: float
    update_cpu_s: float
    factorise_cpu_s: float
    retrain_cpu_s: float
    verify_cpu_s: float
    kept_bytes: int
    download_bytes: float


class CheckFigures(TypedDict):
    """One thing that a verification compared."""

    name: str
    holds: bool
    detail: str


class VerificationFigures(TypedDict):
    """What `Verification.to_dict` gives."""

    certificate: str
    verified: bool
    checks: list[CheckFigures]


class ExactFigures(TypedDict):
    """The exact path on the same request."""

    quality: QualityChange
    chosen: dict[str, float]
    "Options that training chose on validation."
    costs: ExactCosts
    n_bytes: int
    identical: bool
    "Whether the unlearned model has the bytes of the retrained one."
    verification: VerificationFigures


# -- one person -----------------------------------------------------------------------------------------------------


class TitledItem(TypedDict):
    """An item and its title."""

    item: str
    title: str


class RecommendedItem(TitledItem):
    """A recommended item, and whether it is among the person's test pairs."""

    chosen_later: bool


class RecommendationLists(TypedDict):
    """Recommendations before the person shared, while they share, and after they took everything back."""

    before: list[RecommendedItem]
    sharing: list[RecommendedItem]
    after: list[RecommendedItem]


class CaseStudyFigures(TypedDict):
    """One person's recommendations, and how they were chosen."""

    user: str
    n_eligible: int
    rule: str
    n_known: int
    n_withdrawn: int
    n_chosen_later: int
    history: list[TitledItem]
    "The newest of their items."
    lists: RecommendationLists
    changed_by_sharing: int
    changed_by_unsharing: int
    apart_in_the_end: int
    "Items of the list after that are not in the list before."
    unlearn_cpu_s: float
    retrain_cpu_s: float


# -- the whole ------------------------------------------------------------------------------------------------------


class DemoCosts(TypedDict):
    """What the demo itself took."""

    wall_s: float
    cpu_s: float
    peak_mib: float | None


class DemoFigures(TypedDict):
    """Everything that ``report.json`` holds."""

    format: int
    data: DataFigures
    seed: int
    rounds: int
    min_cohort: int
    "People who stand behind every sum that leaves devices, at least."
    curve: CurveFigures
    withdrawal: WithdrawalFigures
    exact: ExactFigures
    story: CaseStudyFigures
    "The case study; the file keeps the name that it had in its first version."
    demo: DemoCosts
    versions: dict[str, str]

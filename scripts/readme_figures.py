"""Put the benchmarks' figures into README and documents; ``--check`` only says whether they are there already.

Reads ``benchmarks/results/*.json`` and rewrites what stands between two marks.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import mean
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
BEGIN = "<!-- {}: begin (scripts/readme_figures.py writes this part from benchmarks/results) -->"
END = "<!-- {}: end -->"
SEEN = {"lightgcn": "(sees everything)", "fedmf": "nothing (by design)", "random": "", "popularity": "everything"}
SHARE_NAMES = {"none": "nothing", "0": "nothing", "1": "everything", "all": "everything"}


def sharing_table(name: str, title: str) -> list[str]:
    """Quality by share, with baselines and ceilings."""
    rows = json.loads((RESULTS / f"sharing_pays.{name}.json").read_text())["rows"]
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["algorithm"], row["share"]), []).append(row)
    seeds = len({row["seed"] for row in rows})
    lines = [
        f"**{title}**, full ranking, {'seed 0' if seeds == 1 else f'mean of {seeds} seeds'}:",
        "",
        "| algorithm | shared | Recall@20 | NDCG@20 | NDCG@20 of those who share nothing | CPU s |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for (algorithm, share), group in groups.items():
        shown = SEEN.get(algorithm, _share_name(share))
        others = [row["non_sharers"]["ndcg@20"] for row in group if row["non_sharers"]]
        aside = f"{mean(others):.4f}" if algorithm == "fedshare" and share.startswith("users:") else ""
        recall = mean(row["metrics"]["recall@20"] for row in group)
        ndcg = mean(row["metrics"]["ndcg@20"] for row in group)
        cpu = mean(row["cpu_s"] for row in group)
        lines.append(f"| {algorithm} | {shown} | {recall:.4f} | {ndcg:.4f} | {aside} | {cpu:.1f} |")
    return [*lines, ""]


def _share_name(share: str) -> str:
    if share in SHARE_NAMES:
        return SHARE_NAMES[share]
    kind, _, fraction = share.rpartition(":")
    percent = f"{float(fraction):.0%}".replace("%", " %")
    return f"everything, by {percent} of the people" if kind == "users" else f"{percent} of the pairs"


def unlearning_table() -> list[str]:
    """Forgetting, quality and cost."""
    result = json.loads((RESULTS / "unlearning.json").read_text())
    request = result["request"]
    lines = [
        f"**Unlearning**, Online Retail, everybody shares half; {request['n_users']} people (5 %) take back half of "
        f"that, {request['n_pairs']:,} pairs. Membership AUC: the server's scores of withdrawn pairs against the same "
        "people's never-shared pairs.",
        "",
        "| | membership AUC | NDCG@20 | CPU s | distance to retraining over the noise floor | audit |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    first = result["methods"][0]["audit"]
    auc, ndcg = first["forget"]["membership_auc"], first["utility"]["ndcg@20"]
    lines.append(f"| before | {auc['before']:.3f} | {ndcg['before']:.4f} | {result['train_cpu_s']:.1f} | | |")
    for row in result["methods"]:
        audit = row["audit"]
        forget, verdict = audit["forget"], "fails" if row["breaches"] else "passes"
        lines.append(
            f"| {row['method']} | {forget['membership_auc']['after']:.3f} | {audit['utility']['ndcg@20']['after']:.4f} "
            f"| {audit['cost']['unlearn_cpu_s']:.2f} | {forget['noise_floor_ratio']:.2f} | {verdict} |"
        )
    retrain_s = first["cost"]["retrain_cpu_s"]
    lines.append(
        f"| **retrain (reference)** | {auc['reference']:.3f} | {ndcg['reference']:.4f} | {retrain_s:.1f} | | |"
    )
    kept = result["kept_bytes"]
    lines += [
        "",
        f"Kept for unlearning: {kept['fedshare'] / 1e6:.1f} MB of snapshots on the server, nothing on devices. For the "
        f"same training FedEraser would have kept {kept['federaser'] / 1e9:.1f} GB and FRU {kept['fru'] / 1e9:.1f} GB "
        "of updates.",
        "",
    ]
    return lines


def exact_part() -> list[str]:
    """The exact path: requests, fewer weights, other data, a large catalogue, contributions."""
    result = json.loads((RESULTS / "exact.json").read_text())
    train, asked, refresh = result["train"], result["requests"], result["refresh"]
    same = {True: "the bytes", False: "NOT the bytes"}
    sentences = [
        "**The exact path** (`SharedEASE`), Online Retail, everything shared:",
        f"training takes {train['cpu_s']:.1f} CPU s, choice of options included.",
        f"{asked['n']} requests of single people, one after another (half, everything, one item, one item erased),",
        f"take {asked['median_wall_s']:.2f} s each in the median, of which the counts",
        f"{1000 * asked['median_gram_wall_s']:.0f} ms.",
        f"Afterwards the counts have {same[asked['counts_identical']]} of training from the final share set, weights",
        f"differ by {asked['largest_weight_difference_after_updates']:.0e} at most, and after a factorisation",
        f"({refresh['factorisation_cpu_s']:.1f} CPU s) the whole model has",
        f"{same[asked['identical_after_factorisation']]} of training.",
        f"Kept to unlearn: {train['kept_bytes_server'] / 1e6:.0f} MB on the server (counts and inverse; no snapshots).",
    ]
    lines = [
        " ".join(sentences),
        "",
        "| weights kept for each item | a device downloads | Recall@20 | NDCG@20 |",
        "| --- | --- | --- | --- |",
    ]
    for row in result["neighbours"]:
        size = f"{row['download_bytes'] / 1e6:.1f} MB"
        lines.append(f"| {row['neighbours']:,} | {size} | {row['recall@20']:.4f} | {row['ndcg@20']:.4f} |")
    return [*lines, "", *_exact_elsewhere()]


def _exact_elsewhere() -> list[str]:
    movielens = json.loads((RESULTS / "exact.movielens-100k.json").read_text())["mean"]
    ours, plain = movielens["shared-ease"], movielens["plain"]
    summed = json.loads((RESULTS / "exact.contributions.json").read_text())
    upload, cpu_s = summed["cost"]["bytes_up_per_client"], summed["cost"]["cpu_s"]
    large = json.loads((RESULTS / "exact_large.gowalla-lightgcn.json").read_text())
    n_items, train = large["data"]["n_items"], large["train"]
    paragraphs = [
        [
            "MovieLens-100K, random 8:1:1 per person, mean of five splits, full ranking:",
            f"Recall@10 {ours['recall@10']:.4f}, NDCG@10 {ours['ndcg@10']:.4f};",
            "on the same splits without a popularity penalty and with all weights (plain EASE)",
            f"{plain['recall@10']:.4f} and {plain['ndcg@10']:.4f}.",
        ],
        [
            "With private contributions and nothing shared, Online Retail gives",
            f"Recall@20 {summed['recall@20']:.4f}, NDCG@20 {summed['ndcg@20']:.4f}, as if all were shared;",
            f"every device uploads {upload / 1e6:.1f} MB each time anything changes.",
            f"Simulating the masks takes {cpu_s:.0f} CPU s.",
        ],
        [
            f"Gowalla ({n_items:,} items, LightGCN's split), everything shared:",
            f"{train['cpu_s'] / 60:.0f} CPU minutes, peak {train['peak_mib'] / 1024:.1f} GiB, with a regulariser of",
            f"{large['chosen']['ridge']:.0f} (see benchmarks/README.md). Recall@20 / NDCG@20",
            "by weights kept for each item:",
            "; ".join(
                f"{row['neighbours']:,}: {row['metrics']['recall@20']:.4f} / {row['metrics']['ndcg@20']:.4f}"
                for row in large["by_neighbours"]
            )
            + ".",
            "There every request is a new factorisation: collect requests and carry them out together.",
        ],
    ]
    return [line for sentences in paragraphs for line in (" ".join(sentences), "")]


def round_line() -> list[str]:
    """One round's cost."""
    result = json.loads((RESULTS / "round_cost.json").read_text())
    seconds = {share: each["median"] for share, each in result["cpu_s_per_round"].items()}
    nothing, shared = seconds.pop("none"), next(iter(seconds.values()))
    data = result["data"]
    return [
        f"**Speed**: one full round of {data['n_users']} simulated devices and {data['n_pairs']:,} interactions "
        f"(32 numbers, 4 negatives per positive) takes {nothing:.3f} CPU s on one thread with nothing shared, "
        f"{shared:.3f} with half shared.",
        "",
        "Regenerate with the scripts in [benchmarks](benchmarks/README.md).",
    ]


def figures() -> str:
    """The whole part."""
    lines = sharing_table("online-retail", "Online Retail (real purchases, latest fifth of each person's as test)")
    if (RESULTS / "sharing_pays.movielens-100k.json").exists():
        lines += sharing_table("movielens-100k", "MovieLens-100K (the same split)")
    return "\n".join([*lines, *unlearning_table(), *exact_part(), *round_line()])


def choice() -> str:
    """Which algorithm to choose, with its quality at three shares."""
    rows = json.loads((RESULTS / "sharing_pays.online-retail.json").read_text())["rows"]
    found: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        found.setdefault((row["algorithm"], row["share"]), []).append(row["metrics"]["ndcg@20"])

    def quality(algorithm: str, *shares: str) -> str:
        return " / ".join(f"{mean(found[algorithm, share]):.3f}" for share in shares)

    summed = json.loads((RESULTS / "exact.contributions.json").read_text())["ndcg@20"]
    request_s = json.loads((RESULTS / "exact.json").read_text())["requests"]["median_wall_s"]
    shares = ("0", "users:0.1", "0.5", "1")
    table = [
        ("", "choose it when", "catalogue", "what leaves the device", "promise to who takes back", "NDCG@20"),
        ("---",) * 6,
        (
            "`FedShare`",
            "by default: good recommendations whatever people share",
            "any size; item-item part up to 12,000 items",
            "shared pairs; gradients of item rows",
            "**audited**: close to training again, from both sides",
            quality("fedshare", *shares),
        ),
        (
            "`SharedEASE`",
            "“we removed it” must be provable, and a tenth of the people or more share",
            f"up to 12,000 items by updates ({request_s:.1f} s a request at 3,659 items); up to 46,340 in batches",
            "shared pairs",
            "**exact**: the bytes of training again; anybody can verify",
            quality("shared-ease", *shares),
        ),
        (
            "`SharedEASE`, private contributions",
            "nobody has to share, and large uploads are no trouble",
            "a few thousand items",
            "shared pairs; a masked count for each pair of items",
            "**exact** for what is shared; the sum of the rest is collected again",
            f"{summed:.3f} at any share",
        ),
        (
            "`FedMF`",
            "nobody may share",
            "any size",
            "gradients of item rows",
            "nothing to take back on the server",
            f"{quality('fedmf', 'all')}",
        ),
        (
            "`LightGCN`, `Popularity`, `Random`",
            "to compare with",
            "any size",
            "everything (`LightGCN`), shared pairs, nothing",
            "none",
            " / ".join(quality(name, "all") for name in ("lightgcn", "popularity", "random")),
        ),
    ]
    lines = [f"| {' | '.join(cells)} |" for cells in table]
    explained = (
        "NDCG@20 on Online Retail. Of the first two with nothing shared / everything by 10 % of the people / half of "
        "everybody's pairs / everything; of the last three each one's own."
    )
    return "\n".join([*lines, "", explained])


BLOCKS = {
    "README.md": {"figures": figures, "choice": choice},
    "docs/concepts/which-algorithm.md": {"choice": choice},
}


def main() -> int:
    stale = []
    for name, blocks in BLOCKS.items():
        path = ROOT / name
        text = wanted = path.read_text(encoding="utf-8")
        for mark, make in blocks.items():
            begin, end = BEGIN.format(mark), END.format(mark)
            head, tail = wanted.split(begin)[0], wanted.split(end)[1]
            wanted = f"{head}{begin}\n{make()}\n{end}{tail}"
        if wanted != text:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(wanted, encoding="utf-8")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    raise SystemExit(main())

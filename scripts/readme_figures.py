"""Put the benchmarks' figures into the README; ``--check`` only says whether they are there already.

Reads ``benchmarks/results/*.json`` and rewrites the part of the README between the two marks.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import mean
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
BEGIN = "<!-- figures: begin (scripts/readme_figures.py writes this part from benchmarks/results) -->"
END = "<!-- figures: end -->"
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
    return "\n".join([*lines, *unlearning_table(), *round_line()])


def main() -> int:
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    head, tail = text.split(BEGIN)[0], text.split(END)[1]
    wanted = f"{head}{BEGIN}\n{figures()}\n{END}{tail}"
    if "--check" in sys.argv:
        return 0 if wanted == text else 1
    readme.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

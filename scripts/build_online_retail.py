"""Build the embedded Online Retail files from a folder in the folder form.

    python scripts/build_online_retail.py SOURCE_FOLDER

SOURCE_FOLDER holds interactions.parquet (user_id, item_id, timestamp) and items.parquet (item_id, title), made from the
UCI file by the cleaning rule in LICENCE below. Both are written to src/fedshare/data/embedded/ together with
LICENCE.md. The same source and the same polars give the same bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

from fedshare.data.interactions import Interactions
from fedshare.data.load import load
from fedshare.files import atomic_file

TARGET = Path(__file__).resolve().parents[1] / "src" / "fedshare" / "data" / "embedded"
LARGEST_BYTES = 1_500_000

LICENCE = """\
# Online Retail: source, licence, changes

Online Retail, Daqing Chen (2015), UCI Machine Learning Repository, https://doi.org/10.24432/C5BW33, CC BY 4.0
(https://creativecommons.org/licenses/by/4.0/). Changed: filtered to positive purchases of catalogue items and
aggregated per customer and item.

This notice covers `online_retail.parquet` and `online_retail_items.parquet` in this folder. They are licensed under the
Creative Commons Attribution 4.0 International licence, whose text is at
https://creativecommons.org/licenses/by/4.0/legalcode. You may copy, redistribute and adapt them, also commercially, if
you give credit as above, link to the licence and say what you changed. The licensor offers the material as it is,
without warranties of any kind. The code of FedShare has its own licence.

## What is in the files

| file | columns | rows |
| --- | --- | --- |
| `online_retail.parquet` | user_id, item_id (text), timestamp (seconds since 1970) | {n_pairs:,} |
| `online_retail_items.parquet` | item_id, title (text) | {n_titles:,} |

{n_users:,} customers and {n_items:,} items, from 2010-12-01 to 2011-12-09. Times are UK local times, stored as if they
were UTC.

## What was changed

- A line of the source is kept if it has a CustomerID, a Quantity above 0, a UnitPrice above 0, an InvoiceNo that does
  not start with "C" (a cancellation), and a StockCode of five digits and at most two letters (which leaves out postage,
  fees and vouchers). Cancellations are not netted out: a purchase that was cancelled later still counts.
- StockCode is written in upper case and serves as item_id; CustomerID serves as user_id.
- One row per customer and item, with the time of the first purchase. Prices, quantities and countries are left out.
- The title of an item is its most frequent Description among the lines kept.

## Citation

Chen, D. (2015). Online Retail [Dataset]. UCI Machine Learning Repository. https://doi.org/10.24432/C5BW33

Chen, D., Sain, S. L., Guo, K. (2012). Data mining for the online retail industry: a case study of RFM model-based
customer segmentation using data mining. Journal of Database Marketing & Customer Strategy Management 19(3), 197-208.
"""


def main(source: Path) -> None:
    """Write the two tables and the notice, and say how large they are."""
    interactions = load(source, format="folder")
    tables = {"online_retail.parquet": _pairs(interactions), "online_retail_items.parquet": _titles(interactions)}
    total_bytes = 0
    for name, table in tables.items():
        with atomic_file(TARGET / name) as draft:
            table.write_parquet(draft, compression="zstd", compression_level=22, statistics=False)
            total_bytes += draft.stat().st_size
    if total_bytes > LARGEST_BYTES:
        raise SystemExit(f"embedded files take {total_bytes:,} bytes, expected at most {LARGEST_BYTES:,}.")
    notice = LICENCE.format(
        n_pairs=len(interactions),
        n_titles=len(interactions.titles),
        n_users=interactions.n_users,
        n_items=interactions.n_items,
    )
    with atomic_file(TARGET / "LICENCE.md") as draft:
        draft.write_text(notice, encoding="utf-8")
    print(f"wrote {len(interactions):,} pairs and {len(interactions.titles):,} titles, {total_bytes:,} bytes")


def _pairs(interactions: Interactions) -> pl.DataFrame:
    users, items = pl.Series(interactions.users.ids), pl.Series(interactions.items.ids)
    return pl.DataFrame(
        {
            "user_id": users.gather(interactions.user),
            "item_id": items.gather(interactions.item),
            "timestamp": interactions.timestamp,
        }
    )


def _titles(interactions: Interactions) -> pl.DataFrame:
    ids = sorted(interactions.titles)
    return pl.DataFrame({"item_id": ids, "title": [interactions.titles[id] for id in ids]})


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python scripts/build_online_retail.py SOURCE_FOLDER")
    main(Path(sys.argv[1]))

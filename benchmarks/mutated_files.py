"""Data files with something wrong in them: is every answer a table or one of our errors, soon and in little memory?

    python benchmarks/mutated_files.py [--files 1000] [--seed 0]

Files of each form that ``fedshare.load`` reads are changed by chance: flipped, cut, doubled and inserted bytes, another
encoding, huge fields, nesting, archives that are cut or unpack to much more, sizes in Parquet's footer. A worker
reads one after the other; it is watched from outside, so an abort of native code, a hang and memory count as what they
are. Writes results/mutated_files.json, and names the mutations of every file that failed.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import struct
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

LIMIT_S = 20.0
LIMIT_MIB = 512
"Above what reading the clean files takes."
_LONGEST_MESSAGE = 1_000

Draw = np.random.Generator
Mutation = Callable[[bytes, Draw], bytes]


def clean_files() -> dict[str, bytes]:
    """A small file of each form, by its name."""
    import polars as pl

    rows = [(f"u{n % 12:02}", f"i{n * 7 % 18}", 1 + n % 5, 1_577_872_133 + 86_400 * n) for n in range(72)]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "rating", "timestamp"], orient="row")
    csv = frame.write_csv().encode()
    quoted = frame.write_csv(quote_style="always").encode()
    records = frame.to_dicts()
    lines = "".join(json.dumps(record) + "\n" for record in records).encode()
    files = {
        "log.csv": csv,
        "quoted.csv": quoted,
        "utf16.csv": csv.decode().encode("utf-16"),
        "latin1.csv": csv.replace(b"u0", "ü".encode("latin-1")),
        "semicolon.csv": csv.replace(b",", b";"),
        "log.inter": csv.replace(b",", b"\t").replace(b"user_id\titem_id", b"user_id:token\titem_id:token", 1),
        "ratings.dat": b"".join(
            b"%d::%d::%d::%d\n" % (n % 12, n * 7 % 18, 1 + n % 5, 1_577_872_133 + n) for n in range(72)
        ),
        "lists.txt": b"".join(
            b"%d %s\n" % (n, b" ".join(b"%d" % (n * m % 19) for m in range(1, 7))) for n in range(12)
        ),
        "log.jsonl": lines,
        "log.json": json.dumps(records).encode(),
        "log.csv.gz": gzip.compress(csv, mtime=0),
        "log.csv.bz2": bz2.compress(csv),
        "log.csv.xz": lzma.compress(csv),
        "log.zip": _zipped({"log.csv": csv, "readme.md": b"read me"}),
    }
    for packing in ("snappy", "zstd", "uncompressed"):
        made = io.BytesIO()
        frame.write_parquet(made, compression=packing)
        files[f"{packing}.parquet"] = made.getvalue()
    return files


def _zipped(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return made.getvalue()


# -- mutations ------------------------------------------------------------------------------------------------------


def flip(content: bytes, draw: Draw) -> bytes:
    """One to twenty bits the other way round."""
    made = bytearray(content)
    for at in draw.integers(0, len(made), draw.integers(1, 21)):
        made[at] ^= 1 << int(draw.integers(8))
    return bytes(made)


def flip_at_the_end(content: bytes, draw: Draw) -> bytes:
    """Bits of the last quarter, where archives and Parquet describe themselves."""
    made = bytearray(content)
    for at in draw.integers(len(made) * 3 // 4, len(made), draw.integers(1, 9)):
        made[at] ^= 1 << int(draw.integers(8))
    return bytes(made)


def cut(content: bytes, draw: Draw) -> bytes:
    """The beginning only."""
    return content[: int(draw.integers(0, len(content)))]


def cut_out(content: bytes, draw: Draw) -> bytes:
    """Without a part in the middle."""
    start, end = sorted(draw.integers(0, len(content), 2))
    return content[:start] + content[end:]


def repeat(content: bytes, draw: Draw) -> bytes:
    """A part twice."""
    start, end = sorted(draw.integers(0, len(content), 2))
    return content[:end] + content[start:]


def insert(content: bytes, draw: Draw) -> bytes:
    """Bytes by chance in the middle."""
    at = int(draw.integers(0, len(content)))
    return content[:at] + draw.bytes(int(draw.integers(1, 200))) + content[at:]


def insert_mark(content: bytes, draw: Draw) -> bytes:
    """Something with a meaning where none is expected."""
    marks = [
        b'"',
        b"\0",
        b"\r",
        b"\n\n",
        b"\xef\xbb\xbf",
        b",,,,",
        b"#",
        b"'",
        b"\\",
        b"{",
        b"]",
        b"NaN",
        b"1e400",
        b"-1",
    ]
    marks += [b"\xff\xfe", b"9" * 400, b"sep=;\n", b"PAR1", b"\x1f\x8b", b"[" * 50_000, b'{"a":' * 50_000]
    at = int(draw.integers(0, len(content)))
    return content[:at] + marks[int(draw.integers(len(marks)))] + content[at:]


def huge_field(content: bytes, draw: Draw) -> bytes:
    """A megabyte of one letter."""
    at = int(draw.integers(0, len(content)))
    return content[:at] + bytes([int(draw.integers(33, 127))]) * 2**20 + content[at:]


def swap_encoding(content: bytes, draw: Draw) -> bytes:
    """Taken for one encoding and written in another."""
    names = ("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7", "cp037")
    return content.decode("latin-1").encode(names[int(draw.integers(len(names)))], "replace")


def swap_numbers(content: bytes, draw: Draw) -> bytes:
    """Another number in place of four bytes: sizes and offsets, in formats that have them."""
    at = int(draw.integers(0, max(1, len(content) - 4)))
    numbers = (0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, 1 << 24)
    return content[:at] + struct.pack("<I", numbers[int(draw.integers(len(numbers)))]) + content[at + 4 :]


def bomb(content: bytes, draw: Draw) -> bytes:
    """The content behind much that packs well."""
    much = content[:60] + b"0" * int(draw.integers(1 << 26, 1 << 28))
    return (gzip.compress(much, 1), _zipped({"log.csv": much}), bz2.compress(much[: 1 << 26], 1))[int(draw.integers(3))]


def pack(content: bytes, draw: Draw) -> bytes:
    """Packed, maybe twice, and then cut or flipped."""
    packed = gzip.compress(content) if draw.random() < 0.5 else _zipped({"log.csv": content})
    packed = gzip.compress(packed) if draw.random() < 0.2 else packed
    return (cut, flip, swap_numbers)[int(draw.integers(3))](packed, draw)


MUTATIONS: dict[str, tuple[Mutation, int]] = {
    each.__name__: (each, weight)
    for each, weight in (
        (flip, 6), (flip_at_the_end, 4), (cut, 4), (cut_out, 3), (repeat, 2), (insert, 4), (insert_mark, 6),
        (huge_field, 2), (swap_encoding, 2), (swap_numbers, 5), (pack, 3), (bomb, 1),
    )
}  # fmt: skip
"Each kind, and how often it is drawn."


def mutated(n_files: int, seed: int, *, without: tuple[str, ...] = ()) -> Iterator[tuple[str, str, bytes]]:
    """Name of the clean file, names of the mutations, and the content."""
    draw = np.random.default_rng(seed)
    files = clean_files()
    names = [name for name in MUTATIONS if name not in without]
    weights = np.array([MUTATIONS[name][1] for name in names], float)
    for _ in range(n_files):
        name = sorted(files)[int(draw.integers(len(files)))]
        chosen = draw.choice(names, size=1 + int(draw.random() < 0.3), p=weights / weights.sum())
        content = files[name]
        for each in chosen:
            content = MUTATIONS[each][0](content or b"0", draw)
        yield name, " + ".join(chosen), content


# -- reading --------------------------------------------------------------------------------------------------------


def answer(path: Path) -> str:
    """What ``load`` makes of a file: "read", the name of one of our errors, or what should not be."""
    import fedshare as fs

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fs.load(path)
    except fs.FedShareError as error:
        return (
            type(error).__name__
            if len(str(error)) <= _LONGEST_MESSAGE
            else f"! a message of {len(str(error))} characters"
        )
    except BaseException as error:
        return f"! {type(error).__name__}: {str(error)[:200]}"
    return "read"


def work() -> None:
    """Read paths from stdin, one a line; write what was made of each, with seconds and the peak of memory."""
    for line in sys.stdin:
        began = time.perf_counter()
        said = answer(Path(line.rstrip("\n")))
        print(json.dumps([said, round(time.perf_counter() - began, 3), peak_mib()]), flush=True)


def peak_mib() -> int:
    """The most memory that this process has had. Not ``ru_maxrss``, which begins with that of the process before."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) // 1024


class Worker:
    """A process that reads files; started again when it died or was stopped, or has grown."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def __call__(self, path: Path) -> tuple[str, float, int]:
        """The answer for one file, seconds, and the peak of memory so far in MiB."""
        import threading

        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, __file__, "--work"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
        process = self.process
        assert process.stdin is not None
        assert process.stdout is not None
        timer = threading.Timer(LIMIT_S, process.kill)
        timer.start()
        began = time.perf_counter()
        process.stdin.write(f"{path}\n")
        process.stdin.flush()
        line = process.stdout.readline()
        timer.cancel()
        if not line:
            self.stop()
            took = time.perf_counter() - began
            return ("! hang" if took >= LIMIT_S else f"! the process died ({process.returncode})"), took, 0
        return tuple(json.loads(line))

    def stop(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


def main() -> None:
    """Read the clean files, then the mutated ones."""
    from common import parser, write

    options = parser("Data files with something wrong in them.")
    options.add_argument("--files", type=int, default=1_000)
    given = options.parse_args()
    worker, answers, failures = Worker(), Counter[str](), list[str]()
    slowest, most = 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        clean = 0
        for name, content in clean_files().items():
            path = Path(folder) / name
            path.write_bytes(content)
            said, _, clean = worker(path)
            assert said == "read", f"{name}: {said}"
            path.unlink()
        for number, (name, kinds, content) in enumerate(mutated(given.files, given.seed)):
            path = Path(folder) / f"{number}-{name}"
            path.write_bytes(content)
            said, took, peak = worker(path)
            path.unlink()
            if peak > clean + LIMIT_MIB:
                said = f"! {peak - clean} MiB more than clean files, answer {said}"
            if said.startswith("!"):
                failures.append(f"{number} {name} ({kinds}): {said}")
                print(failures[-1])
            answers[said if not said.startswith("!") else "failed"] += 1
            slowest, most = max(slowest, took), max(most, peak - clean)
            if peak > clean + LIMIT_MIB // 4:
                worker.stop()  # so that the next file's memory is its own
        worker.stop()
    print(dict(answers), f"slowest {slowest:.1f} s, at most {most} MiB above clean files")
    result = {
        "n_files": given.files, "seed": given.seed, "answers": dict(answers.most_common()), "failures": failures,
        "slowest_s": round(slowest, 2), "mib_above_clean": most, "limit_s": LIMIT_S, "limit_mib": LIMIT_MIB,
    }  # fmt: skip
    write("mutated_files", result)


if __name__ == "__main__":
    work() if "--work" in sys.argv else main()

"""Fuzzes everything that reads hostile bytes, guided by coverage: `python -m tests.fuzz.inputs [MINUTES] [TARGET...]`.

The targets of tests.fuzz.targets share the minutes. The corpus stays in out/fuzz, where the next run continues.
Findings are there too, named `crash-`, `timeout-`, `oom-` or `slow-unit-`.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from pipeline import codec
from pipeline.image.child import DECODED
from pipeline.image.decode import decode_image
from pipeline.image.limits import DEFAULT_LIMITS
from serve.local.plan import REPOSITORY
from tests.pipeline.pictures import png, samples

FOLDER = REPOSITORY / "out" / "fuzz"
# Taste: each target's share of the minutes. The target with the most code gets the most.
SHARES = {"image": 50, "mask": 10, "multipart": 20, "boundary": 5, "strict_json": 5, "worker_answer": 10}
# Taste: limits of one input, its time (usually milliseconds) and its memory.
MAX_INPUT_BYTES = 8192
SLOWEST_S = 2
MEMORY_MIB = 1024
STATUS = re.compile(r"#(\d+)\s+\S+\s+cov: (\d+) ft: (\d+) corp: (\d+)")
PART = b'--XX\r\nContent-Disposition: form-data; name="%s"; filename="a"\r\nContent-Type: %s\r\n\r\n%s\r\n'


def seeds(target: str) -> list[bytes]:
    """The first inputs of a target, so that the fuzzer need not find the formats itself."""
    files = list(samples().values())
    parts = [PART % part for part in ((b"image", b"image/png", files[0][:300]), (b"options", b"text/json", b"{}"))]
    found: dict[str, list[bytes]] = {
        "image": files,
        "mask": [*files, png((48, 32), 8, 0, (b"\0" + b"\xff" * 48) * 32)],
        "multipart": [b"\x07" + b"".join(parts) + b"--XX--\r\n", b"\xff" + parts[0], b"\0--XX--\r\n"],
        "boundary": [b" boundary=XX", b' boundary="XX"; charset=utf-8', b"boundary*=utf-8''XX"],
        "strict_json": [
            b'{"colors": ["navy", {"hex": "#fff", "share": 0.5}]}',
            b'"\\ud83d\\ude00 \\ud800"',
            b"[1e400]",
        ],
        "worker_answer": [bytes([DECODED]) + codec.encode(decode_image(files[3], limits=DEFAULT_LIMITS))],
    }
    return found[target]


def fuzzed(target: str, seconds: int) -> tuple[int, str]:
    """Fuzzes one target. Gives the number of findings and a line about the run."""
    corpus, findings = FOLDER / target, FOLDER / f"{target}-findings"
    for folder in (corpus, findings):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(target)):
        (corpus / f"seed-{number}").write_bytes(seed)
    options: dict[str, object] = {
        "max_total_time": seconds,
        "max_len": MAX_INPUT_BYTES,
        "timeout": SLOWEST_S,
        "rss_limit_mb": MEMORY_MIB,
        "artifact_prefix": f"{findings}/",
        "print_final_stats": 1,
    }
    run = _run(target, corpus, options)
    # Time is wall-clock time, so a finding that passes when it runs alone was slowed by the machine.
    for finding in findings.iterdir():
        if not _run(target, finding, options).returncode:
            finding.unlink()
    (FOLDER / f"{target}.log").write_text(run.stdout + run.stderr)
    status = STATUS.findall(run.stderr)
    executed, coverage, _, inputs = status[-1] if status else ("0",) * 4
    found = len(list(findings.iterdir()))
    line = (
        f"{target:14} {seconds:5} s  {executed:>9} inputs  coverage {coverage:>5}  corpus {inputs:>5}  findings {found}"
    )
    return found, line


def _run(target: str, inputs: Path, options: dict[str, object]) -> "subprocess.CompletedProcess[str]":
    """Runs libFuzzer on a folder, which it extends, or on one file."""
    return subprocess.run(
        (sys.executable, "-m", "tests.fuzz.targets", target, str(inputs), *(f"-{n}={v}" for n, v in options.items())),
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def main(minutes: float, targets: list[str]) -> int:
    """Fuzzes the targets. The exit status is 0 when nothing was found."""
    whole, total = sum(SHARES[target] for target in targets), 0
    for target in targets:
        found, line = fuzzed(target, max(1, round(60 * minutes * SHARES[target] / whole)))
        print(line, flush=True)
        if found:
            print(Path(FOLDER / f"{target}.log").read_text()[-3000:])
        total += found
    return min(total, 1)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    sys.exit(main(float(arguments[0]) if arguments else 5, arguments[1:] or list(SHARES)))

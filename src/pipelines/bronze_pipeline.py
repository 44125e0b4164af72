"""Bronze: the raw flights file, validated, as Parquet.

A file that breaks a rule goes no further: a copy of it is put in quarantine with a report, the stage fails.
"""

import argparse
import hashlib
import logging
import sys
from pathlib import Path

if not __package__:  # run by its path: Python then looks for `src` beside this file
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from src.data_generation.raw import raw_path
from src.pipelines import quarantine
from src.pipelines.bronze_rules import examine, rules, typed
from src.pipelines.quarantine import Fault
from src.shared.utils import atomic_path, configure_logging, data_dir, write_json

log = logging.getLogger(__name__)


class BronzeError(Exception):
    """The raw file is not fit to go on, and trying again is no use; the message says why in one sentence."""


def run(raw: Path, data: Path) -> Path:
    """Validate `raw` and return the path of its Parquet file, `bronze/flights.parquet` in `data`.

    Columns and types are `bronze_rules.TYPES`, rows in the file's order. `reports/bronze.json` in `data` says
    what was found: success, rows, the file's sha256, the rules, and the faults with how many rows have them.
    Whatever is written is written atomically; an earlier Parquet file stands until there is a better one.

    Raises BronzeError if the file is missing, is no UTF-8 CSV file with rows, or breaks a rule.
    """
    try:
        content = raw.read_bytes()
    except FileNotFoundError:
        raise BronzeError(f"there is no raw file {raw}: put one there, or generate it") from None
    frame, faults = examine(content)
    if faults:
        refused = quarantine.put(data, raw.name, content, faults)
        _report(data, content, frame.height, faults)
        broken = "; ".join(map(str, faults))
        raise BronzeError(f"{raw} is not fit for bronze ({broken}): a copy and a report are in {refused}")
    path = data / "bronze" / "flights.parquet"
    with atomic_path(path) as temporary:
        typed(frame).write_parquet(temporary)
    _report(data, content, frame.height, faults)
    log.info("%d rows of %s passed %d rules and are in %s", frame.height, raw, len(rules()), path)
    return path


def _report(data: Path, content: bytes, rows: int, faults: list[Fault]) -> None:
    """Write reports/bronze.json in `data`; nothing in it depends on when or where the stage ran."""
    broken = [{"rule": f.rule, "column": f.column, "rows": f.row_count, "detail": f.detail} for f in faults]
    report = {
        "stage": "bronze",
        "success": not faults,
        "rows": rows,
        "sha256": hashlib.sha256(content).hexdigest(),
        "rules": [{"rule": rule, "column": column} for rule, column in rules()],
        "faults": broken,
    }
    write_json(data / "reports" / "bronze.json", report)


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(description="Validate the raw flights file and write it as Parquet.")
    parser.add_argument("--data-dir", type=Path, default=data_dir(), help="default: %(default)s")
    parser.add_argument("--raw", type=Path, help="default: raw/flights.csv in the data directory")
    args = parser.parse_args()
    configure_logging()
    try:
        run(args.raw or raw_path(args.data_dir), args.data_dir)
    except (BronzeError, OSError) as error:
        log.error("bronze: %s", error)  # noqa: TRY400 - one sentence for the user, not where it was raised
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

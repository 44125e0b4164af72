"""The raw file: the one somebody put there, else a generated one."""

import argparse
import json
import logging
import sys
from pathlib import Path

if not __package__:  # run by its path: Python then looks for `src` beside this file
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from src.shared.utils import configure_logging, data_dir, load_params, sha256_of, write_json

log = logging.getLogger(__name__)


def raw_path(data: Path) -> Path:
    """Return where the raw file is in a data directory."""
    return data / "raw" / "flights.csv"


def origin_path(data: Path) -> Path:
    """Return where it is noted, as JSON, whether the raw file was taken or generated, and its sha256."""
    return data / "raw" / "flights.origin.json"


def take_or_generate(data: Path, *, rows: int, seed: int) -> Path:
    """Make sure that `data` has a raw file, and return its path.

    A file that was not generated here, or was edited since, is taken as it is, whatever is in it. One that
    was generated and not touched is generated again, so that new parameters reach it. `rows` and `seed`, and
    what they raise, are those of `flights.generate`.
    """
    path = raw_path(data)
    if path.exists() and not _is_ours(data):
        log.info("took %s as it is: it was not generated here (delete it to have one generated)", path)
        write_json(origin_path(data), {"origin": "taken", "sha256": sha256_of(path)})
        return path
    from src.data_generation import flights  # noqa: PLC0415 - polars takes half a second and is not needed above

    flights.write(path, rows, seed)
    log.info("generated %s: %d rows from seed %d", path, rows, seed)
    write_json(origin_path(data), {"origin": "generated", "sha256": sha256_of(path), "rows": rows, "seed": seed})
    return path


def _is_ours(data: Path) -> bool:
    """Tell whether the raw file is, byte for byte, one that was generated here."""
    try:
        note = json.loads(origin_path(data).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    return bool(note.get("origin") == "generated" and note.get("sha256") == sha256_of(raw_path(data)))


def main() -> int:
    """Run the command; return its exit code."""
    configure_logging()
    parser = argparse.ArgumentParser(description="Generate data/raw/flights.csv, unless somebody put one there.")
    parser.add_argument("--data-dir", type=Path, default=data_dir(), help="default: %(default)s")
    try:
        params = load_params("raw", take_or_generate)
        parser.add_argument("--rows", type=int, default=params["rows"], help="even; default: %(default)s")
        parser.add_argument("--seed", type=int, default=params["seed"], help="default: %(default)s")
        args = parser.parse_args()
        take_or_generate(args.data_dir, rows=args.rows, seed=args.seed)
    except (ValueError, OSError) as error:
        log.error("raw: %s", error)  # noqa: TRY400 - one sentence for the user, not where it was raised
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What all stages have in common: how they are run, how they report, and how they refuse."""

import argparse
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from src.pipelines import quarantine
from src.pipelines.quarantine import Fault
from src.shared.utils import configure_logging, data_dir, write_json

log = logging.getLogger(__name__)

# The splits, in the order of their days.
SPLITS = ("train", "validation", "test")


class StageError(Exception):
    """What a stage was given is not fit to go on with, and trying again is no use.

    The message says why in one sentence.
    """


def table_path(data: Path, layer: str, name: str) -> Path:
    """Return where a layer (bronze, silver, gold) has the table that is made of the file `name`.csv."""
    return data / layer / f"{name}.parquet"


def report(data: Path, stage: str, name: str, content: dict[str, Any]) -> None:
    """Write reports/STAGE/NAME.json in `data`; nothing in it may depend on when or where the stage ran."""
    write_json(data / "reports" / stage / f"{name}.json", {"stage": stage, "name": name} | content)


def refused(  # noqa: PLR0913 - the file, and what is said of it
    data: Path,
    stage: str,
    source: Path,
    digest: str,
    faults: list[Fault],
    *,
    counted: str = quarantine.IN_FILE,
) -> StageError:
    """Put a file in quarantine and report it; return the error for the stage to raise."""
    directory = quarantine.put(data, stage, source, digest, faults, counted=counted)
    content = {"success": False, "sha256": digest, "faults": quarantine.described(faults)}
    report(data, stage, source.stem, content)
    broken = "; ".join(map(str, faults))
    return StageError(f"{source} is not fit for {stage} ({broken}): a copy and a report are in {directory}")


def existing(source: Path, made_by: str) -> Path:
    """Return `source`; raise StageError with the way out if there is no such file."""
    if not source.is_file():
        raise StageError(f"there is no {source}: {made_by} makes it")
    return source


def command(
    stage: str,
    description: str | None,
    work: Callable[..., object],
    arguments: Sequence[tuple[str, dict[str, Any]]] = (),
) -> int:
    """Run a stage from the command line; return its exit code.

    `work` is called with the data directory and then with what the user gave for each of the `arguments`.
    """
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    for name, options in arguments:
        parser.add_argument(name, **options)
    parser.add_argument("--data-dir", type=Path, default=data_dir(), help="default: %(default)s")
    given = vars(parser.parse_args())
    configure_logging()
    try:
        work(given.pop("data_dir"), **given)
    except (StageError, ValueError, OSError) as error:
        log.error("%s: %s", stage, error)  # noqa: TRY400 - one sentence for the user, not where it was raised
        return 1
    return 0

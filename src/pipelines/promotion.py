"""Promotion: a new model is put to use if it is better than the one in use; that one stays.

Each model that was ever in use has a directory in `models/`, named by its content; `models/current` is a
symbolic link to the one in use.
"""

import logging
import secrets
import shutil
import sys
from pathlib import Path
from typing import Any

if not __package__:  # run by its path: Python then looks for `src` beside this file
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from src.pipelines import evaluation
from src.pipelines.stage import command, existing, table_path
from src.shared.utils import locked, models_dir, scratch_directory, sha256_of, write_json

log = logging.getLogger(__name__)


def run(candidate: Path, data: Path, models: Path) -> bool:
    """Put a model to use if its RMSE on the validation split is lower than the current one's; tell whether.

    Both are asked about the silver validation table of `data` as it is now, each with its own encoding.
    `reports/promotion/validation.json` in `data` has the metrics of both. With none in use, any is better.

    Raises StageError if the candidate or the table is missing.
    """
    validation = existing(table_path(data, "silver", "validation"), "silver_pipeline.py")
    existing(candidate / "model.txt", "training_pipeline.py")
    current = models / "current"
    with locked(models):
        asked = [candidate, current] if current.exists() else [candidate]
        new, *others = evaluation.of_models(asked, validation)
        old = others[0] if others else None
        promoted = old is None or new["rmse"] < old["rmse"]
        if promoted:
            _point(current, _kept(candidate, models))
    said: dict[str, Any] = {"promoted": promoted, "candidate": new, "before": old}
    write_json(data / "reports" / "promotion" / "validation.json", said)
    log.info("RMSE on validation: %s, before: %s; promoted: %s", new["rmse"], old and old["rmse"], promoted)
    return promoted


def _kept(candidate: Path, models: Path) -> Path:
    """Return the directory of a copy of a model, named by its content; there is one, whole or not at all."""
    kept = models / "-".join(
        ("price", sha256_of(candidate / "model.txt")[:12], sha256_of(candidate / "encoding.json")[:6])
    )
    if not kept.exists():
        with scratch_directory(kept) as scratch:
            shutil.copytree(candidate, scratch / "model").rename(kept)
    return kept


def _point(link: Path, target: Path) -> None:
    """Make `link` a symbolic link to a directory beside it, in one rename."""
    temporary = link.with_name(f".{link.name}.{secrets.token_hex(4)}.tmp")
    temporary.symlink_to(target.name)
    temporary.replace(link)


def _work(data: Path, candidate: str) -> None:
    """Ask whether a model below the directory of models is to be put to use."""
    run(models_dir() / candidate, data, models_dir())


if __name__ == "__main__":
    named = {"nargs": "?", "default": "candidate", "help": "its directory in models/; default: %(default)s"}
    sys.exit(command("promotion", __doc__, _work, [("candidate", named)]))

"""The DAG bundle of the stack: its versions are the releases in /opt/flights-mlops/releases.

A run remembers the version it was created with (AIP-66), and its tasks find their DAG and `src` there,
whatever was deployed since.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from airflow.dag_processing.bundles.base import BaseDagBundle, BundleVersion

PROJECT_ROOT = Path("/opt/flights-mlops")
RELEASES = PROJECT_ROOT / "releases"


class ReleaseBundle(BaseDagBundle):
    """One release: the one that is named, or the current one at the last refresh."""

    supports_versioning = True
    # Of a process that has the current release: there, an old one is only asked where it is, for a callback.
    _follows_current = False

    def _enter(self) -> None:
        """Have `import src` and relative paths, also those of subprocesses, find this release."""
        root = str(self._root)
        sys.path[:] = [root, *(path for path in sys.path if not path.startswith(f"{RELEASES}/"))]
        os.environ["PYTHONPATH"] = root
        os.chdir(root)

    def initialize(self) -> None:
        """Find the release; a task, which asks for one version, is taken into it.

        Raises ``FileNotFoundError`` where that release was removed, and ``ValueError`` for any other text.
        """
        if self.version is None:
            self.refresh()
        else:
            # From the database, which every task can write: a name, and no way to another directory.
            if not re.fullmatch("r-[0-9a-f]{12}", self.version):
                raise ValueError(f"{self.version!a} is not the name of a release.")
            self._root = RELEASES / self.version
            if not self._root.is_dir():
                raise FileNotFoundError(
                    f"The release {self.version} is not on this host any more; clear the run with its latest version."
                )
            if not ReleaseBundle._follows_current:
                self._enter()
        super().initialize()

    def refresh(self) -> None:
        """Take the release that is the current one now."""
        ReleaseBundle._follows_current = True
        self._root = (PROJECT_ROOT / "current").resolve(strict=True)
        self._enter()

    @property
    def path(self) -> Path:
        """The directory with the DAGs."""
        return self._root / "dags"

    def get_current_version(self) -> BundleVersion:
        """Return the release's id."""
        return BundleVersion(self._root.name)

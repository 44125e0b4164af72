"""Run pieces of code that use the bundle of the stack, each in a fork of a process that has Airflow loaded.

Airflow's import takes seconds, and its own processes fork as well. Each line of JSON asks for one: the
project root, the working directory, the code. The answer is a line with what the code left in ``answer``,
or its error.
"""

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import release_bundle
from airflow.dag_processing.bundles.manager import DagBundlesManager

for line in sys.stdin:
    root, directory, code = json.loads(line)
    if os.fork():
        os.wait()
        continue
    names: dict[str, Any] = {"root": Path(root), "manager": DagBundlesManager()}
    try:
        os.chdir(directory)
        release_bundle.PROJECT_ROOT = Path(root)
        release_bundle.RELEASES = Path(root) / "releases"
        exec(code, names)  # noqa: S102 - what a test asks for
    except BaseException as error:  # noqa: BLE001 - told to the test, whatever it is
        names["answer"] = {"error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}
    print(json.dumps(names["answer"]), flush=True)
    os._exit(0)

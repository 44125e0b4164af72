"""Stand for the session of a deploy on a host: run the commands that are asked for until the input ends.

Each is a line of JSON: the command, what is its standard input, and where its output goes. The answer is a
line with its exit code. A command that runs goes on when this process is killed.
"""

import json
import subprocess
import sys
from pathlib import Path

for line in sys.stdin:
    command, source, output = json.loads(line)
    with Path(source).open("rb") as stdin, Path(output).open("wb") as stdout:
        done = subprocess.run(command, stdin=stdin, stdout=stdout, stderr=subprocess.STDOUT, check=False)
    print(done.returncode, flush=True)

"""What a script calls is in the scripts that it says it uses: bash would find out in the middle."""

import re
from pathlib import Path

import pytest

from deploy import script

FUNCTION = re.compile(r"^(\w+)\(\) \{(?:[^\n]*\}$|.*?^\}$)", re.MULTILINE | re.DOTALL)
SCRIPTS = sorted(path.stem for path in script.SCRIPTS.glob("*.sh"))
ENTRIES = [name for name in SCRIPTS if len(script.parts(name)) > 1]
# It has functions of its own, of which no other script knows; variables elsewhere have their names.
ALONE = "look"


def source(name: str) -> str:
    """Return a script without its comments and texts of one line, in which words are no calls."""
    text = Path(script.SCRIPTS / f"{name}.sh").read_text()
    return re.sub(r"(?m)(^|\s)#.*$|'[^'\n]*'", "", text)


def functions(name: str) -> dict[str, str]:
    """Return the functions that a script defines, with their text, by name."""
    return {found[1]: found[0] for found in FUNCTION.finditer(source(name))}


EVERY = {function for name in SCRIPTS if name != ALONE for function in functions(name)}


def called(text: str) -> set[str]:
    """Return the functions of any script that a text calls: words where a command may stand."""
    words = set(
        re.findall(
            r"(?:^|[;&|(]|\b(?:if|then|else|do|while|until)\b|[!{])\s*(\w+)\b(?!\(\)|\+?=|')",
            text,
            re.MULTILINE,
        )
    )
    return words & EVERY


@pytest.mark.parametrize("name", ENTRIES)
def test_a_script_uses_what_it_calls(name: str) -> None:
    """Itself, and what is called by what it calls."""
    defined = {function: text for part in script.parts(name) for function, text in functions(part).items()}
    own = FUNCTION.sub("", source(name))
    wanted, seen = called(own) | {call for text in functions(name).values() for call in called(text)}, set()
    while wanted:
        function = wanted.pop()
        assert function in defined, f"{name}.sh calls {function}, which no script that it uses defines"
        seen.add(function)
        wanted |= called(defined[function].partition("{")[2]) - seen

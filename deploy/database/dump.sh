# shellcheck shell=bash
# Dumps the database while everything runs. A program because a dump takes minutes, and has its name only when it is whole.
dump by-hand || fail "the database on $here could not be dumped; the reason is above."

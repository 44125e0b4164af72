# shellcheck shell=bash
# Dumps the database, whatever runs.
# Uses: common prelude lock claim stack database
dump by-hand || fail "the database on $here could not be dumped; the reason is above."

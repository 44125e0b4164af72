# shellcheck shell=bash
# Installs the packages $names of the host's apt sources. Reads apt's lists first, unless they are $fresh.
[ -n "${fresh:-}" ] || read_lists
install_packages "${names[@]}"

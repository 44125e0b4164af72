# shellcheck shell=bash
# Installs packages of the distribution.
# Uses: common prelude lock claim apt
# Arguments: seconds to wait for apt's locks; the packages.
lock_timeout=$1
shift
read_lists
install_packages "$@"

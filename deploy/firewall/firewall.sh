# shellcheck shell=bash
# The ports that sshd listens on and that this connection came in at, and whether the firewall is as it was loaded.
arrival_port() { # sudo keeps the variable from those it starts
  local pid=$$ found
  while ((pid > 1)); do
    found=$(tr '\0' '\n' <"/proc/$pid/environ" | sed -n 's/^SSH_CONNECTION=.* //p')
    [ -z "$found" ] || { printf '%s\n' "$found" && return; }
    pid=$(sed 's/.*) //' "/proc/$pid/stat" | cut -d ' ' -f 2)
  done
}

{ sshd -T | sed -n 's/^port //p' && arrival_port; } | sort -nu | sed 's/^/port /'
! command -v nft >/dev/null || echo 'nft installed'
[ "$(systemctl is-enabled flights-mlops-firewall.service)" != enabled ] || echo 'unit enabled'
loaded=$(nft --numeric --stateless --terse list table inet flights_mlops | sha256sum | cut -d ' ' -f 1)
[ "$loaded" != "$(cat "$configuration/firewall.listed")" ] || echo 'rules unchanged'

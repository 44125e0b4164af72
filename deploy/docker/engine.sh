# shellcheck shell=bash
# Prints what there is of Docker; where something is missing, also what it can be installed from.
say() { # where there is something to say
  [ -z "$2" ] || printf '%s %s\n' "$1" "$2"
}

version='' compose='' buildx='' root=''
if command -v docker >/dev/null; then
  # One call tells of the engine and of its client's plugins.
  IFS='|' read -r root version live_restore swarm images plugins < <(docker info --format \
    '{{.DockerRootDir}}|{{.ServerVersion}}|{{.LiveRestoreEnabled}}|{{.Swarm.LocalNodeState}}|{{.Images}}|{{range .ClientInfo.Plugins}}{{.Name}} {{.Version}}|{{end}}')
  while read -rd '|' name found; do
    case $name in compose) compose=$found ;; buildx) buildx=$found ;; esac
  done <<<"${plugins:-}"
  say path "$(command -v docker)"
  say version "$version"
  say compose "$compose"
  say buildx "$buildx"
  say live_restore "${live_restore:-}"
  say swarm "${swarm:-}"
  say images "${images:-}"
fi
for path in "$root" /var/lib/docker /var/lib; do
  [ ! -d "$path" ] || break
done
say free_kib "$(df --output=avail -k "$path" | tail -n 1 | xargs)"
say configuration "$(base64 --wrap=0 /etc/docker/daemon.json)"
[ ! -L "$project/current" ] || echo 'deployed yes'
[ ! -e /etc/ssl/certs/ca-certificates.crt ] || echo 'authorities yes'

if [ -z "$version" ] || [ -z "$compose" ] || [ -z "$buildx" ]; then
  say package "$(dpkg-query --show --showformat '${db:Status-Abbrev} ${Package}\n' docker-ce docker.io |
    sed -n 's/^i[^ ]* *//p' | head -n 1)"
  [ ! -e "$sources" ] || echo 'repository yes'
fi

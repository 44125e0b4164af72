# shellcheck shell=bash
# Loads the image $image, sent as $sent, whose layers are $layers, from standard input: docker save's archive, packed by
# $packer, without the layers that are here. A program because it streams, and the image has its name only when it is whole.

[ "$sent" = "$image" ] || trap 'docker image rm "$sent" >/dev/null 2>&1 || true' EXIT
began=$(date +%s)
# Not unpacked by the engine: 26.1 was seen to crash where it gave up in the middle of what zstd had packed.
log=$({ "$packer" --decompress --stdout --quiet | docker load --quiet; } 2>&1) || {
  # An engine that gives up in the middle closes the connection: its answer may be lost to the client, and not to its log.
  log+=$'\n'$(journalctl --quiet --no-pager --output cat --unit docker --since "@$began" 2>/dev/null || tail -n 5 /var/log/docker.log 2>&1)
  tail -n 5 <<<"$log"
  ! grep -qi 'no space left' <<<"$log" ||
    fail "the disk of $here is full: $image does not fit under $(docker info --format '{{.DockerRootDir}}'). Make room there, then run the deploy again."
  fail "$image did not arrive complete on $here; the engine's answer is above. Run the deploy again."
}
if [ "$(docker image inspect --format '{{json .RootFS.Layers}}' "$sent")" != "$layers" ]; then
  docker image rm "$sent" >/dev/null
  fail "$here received an incomplete or different image instead of $image; run the deploy again."
fi
[ "$sent" = "$image" ] || docker tag "$sent" "$image"
echo "Image $image is on the host: $(docker image inspect --format '{{.Size}}' "$image" | numfmt --to=iec --suffix=B)"

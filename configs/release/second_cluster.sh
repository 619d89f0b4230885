#!/bin/sh
# Prints cluster.yaml for a second cluster beside the first, for a release on VMs (docs/release.md).
# Launch: configs/release/second_cluster.sh 0.2.0 IMAGE@sha256:… IMAGE@sha256:… > cluster-0.2.0.yaml
# The images are those of the targets cpu and gpu, in this order. Ray finds its nodes by the name of their cluster, and the
# head its state by the namespace in the Redis that both share: two clusters with one name would be one.
set -eu
if [ $# -ne 3 ]; then
  echo "usage: $0 VERSION CPU-IMAGE@sha256:… GPU-IMAGE@sha256:…" >&2
  exit 2
fi
for image in "$2" "$3"; do
  case $image in
    *[!a-z0-9.:/_@-]*) ok= ;;
    *?@sha256:????????????????????????????????????????????????????????????????) ok=1 ;;
    *) ok= ;;
  esac
  if [ -z "$ok" ]; then
    echo "$image must be an image by digest, such as registry/name@sha256:…." >&2
    exit 2
  fi
done
name=stylesync-$(printf %s "$1" | tr . -)
sed -E \
  -e "s#^cluster_name: .*#cluster_name: $name#" \
  -e "s#(RAY_external_storage_namespace=)[a-z0-9-]+#\1$name#" \
  -e "s#( image: )[^ ]+#\1$2#" \
  -e "s#( worker_image: )[^ ]+#\1$3#" \
  "$(dirname "$0")/../../cluster.yaml"

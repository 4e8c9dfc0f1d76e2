#!/bin/sh
# lock.sh BIN: renew tools/locks from pyproject.toml, for every platform and Python that we support.
set -eu
bin=$1
mkdir -p tools/locks
"$bin/python" -m pip install --quiet --disable-pip-version-check uv
for kind in run dev; do
    extra=""
    [ "$kind" = dev ] && extra="--extra dev"
    # shellcheck disable=SC2086
    "$bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
        --no-emit-index-url --no-annotate $extra pyproject.toml -o "tools/locks/$kind.txt"
done

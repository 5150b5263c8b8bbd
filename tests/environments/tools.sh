#!/usr/bin/env bash
# tools.sh NAME: makes build/tools/NAME, for helm, kustomize or python (one with the schemas of Kubernetes and Compose).
# What the machine has is taken, else it is fetched as a published package. Fails where it can't be had.
set -euo pipefail
mkdir -p build/tools
cd build/tools
exec 9>.lock
flock 9
[ ! -x "$1" ] || exit 0

wrap() { printf '#!/bin/sh\nexec %s "$@"\n' "$2" >"$1.new" && chmod +x "$1.new" && mv "$1.new" "$1"; }
case $1 in
helm)
    if command -v helm >/dev/null; then wrap helm "$(command -v helm)"; else
        GOBIN=$PWD nice go install helm.sh/helm/v3/cmd/helm@v3.16.4
    fi
    ;;
kustomize)
    if command -v kubectl >/dev/null; then wrap kustomize "$(command -v kubectl) kustomize"; else
        GOBIN=$PWD/go nice go install sigs.k8s.io/kustomize/kustomize/v5@v5.5.0
        wrap kustomize "$PWD/go/kustomize build"
    fi
    ;;
python)
    /usr/bin/python3 -m venv environment
    environment/bin/python -m pip install --quiet --disable-pip-version-check --no-input --timeout 20 --retries 1 \
        kubernetes-validate==1.33.1 compose-spec==0.2.1 setuptools
    wrap python "$PWD/environment/bin/python"
    ;;
esac

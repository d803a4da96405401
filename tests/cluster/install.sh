#!/bin/sh
# Slurm and munge from Debian's packages, where they are missing and this user may install them. Starts nothing.
set -eu
for program in slurmctld slurmd squeue munged; do
	command -v "$program" >/dev/null || missing=yes
done
[ -n "${missing:-}" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "Slurm is not installed, and cannot be by this user: the tests on a cluster will be skipped" >&2
	exit 0
fi
apt-get update -qq || true
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurmctld slurmd slurm-client munge >/dev/null ||
	echo "Slurm's packages cannot be had: the tests on a cluster will be skipped" >&2

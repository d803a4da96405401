#!/usr/bin/env bash
# ECG-Image-Kit's dependencies without those of its handwriting: envs/kit-env.sh FOLDER PYTHON. The versions are those of
# ecg-image-kit.yaml. imgaug comes without its dependencies, since it would add the OpenCV that requires libGL; the kit
# imports TensorFlow and spaCy on start but only its handwriting uses them, so empty modules stand in for them.
set -euo pipefail
folder=$(realpath -m "$1") python=$2
cd "$(dirname "$0")"
command -v "$python" >/dev/null || { echo "$python: no such program; set KIT_PYTHON to Python 3.9 or 3.10" >&2; exit 1; }
"$python" -c 'import sys; sys.exit(not (3, 9) <= sys.version_info[:2] < (3, 11))' ||
  { echo "ECG-Image-Kit's dependencies require Python 3.9 or 3.10; set KIT_PYTHON" >&2; exit 1; }
requirements=$(sed -n 's/^      - //p' ecg-image-kit.yaml)
"$python" -m venv "$folder"
grep -vE '^(imgaug|spacy|tensorflow)\b' <<<"$requirements" | "$folder/bin/python" -m pip install --quiet -r /dev/stdin shapely six
grep '^imgaug' <<<"$requirements" | "$folder/bin/python" -m pip install --quiet --no-deps -r /dev/stdin
site=$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
for module in spacy tensorflow; do
  [ -e "$site/$module" ] || touch "$site/$module.py"
done
"$folder/bin/python" -c 'import bs4, cv2, imgaug, qrcode, seaborn, validators, wfdb'
echo "render.kit_python: $folder/bin/python"

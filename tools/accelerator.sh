#!/usr/bin/env bash
# Train the LSTM of every task on one CUDA device, several seeds at once, in ten minutes at most.
#
#   OUT=folder tools/accelerator.sh [SEEDS] [JOBS]
#
# What is not finished by then leaves its checkpoint in $OUT; the same command goes on from there,
# on another device or, with `ntm-tutorial sweep all lstm --output $OUT`, on a processor.
set -euo pipefail
cd "$(dirname "$0")/.."
seeds=${1:-3} jobs=${2:-15} python=${PYTHON:-python3}
"$python" -c 'import torch; assert torch.cuda.is_available(), "no CUDA device here"'
"$python" -m pip install -q --no-deps -e .
# Many small processes share the device in turn unless its own server (MPS) lets them run at once.
if command -v nvidia-cuda-mps-control > /dev/null; then
  nvidia-cuda-mps-control -d && trap 'echo quit | nvidia-cuda-mps-control' EXIT
fi
"$python" -m pytest -q -n 0 tests/test_training.py -k cuda
timeout --signal=INT 540 "$python" -m ntm_tutorial.lab.cli sweep all lstm --seeds "$seeds" \
  --jobs "$jobs" --device cuda --no-progress --output "${OUT:?where the results go}" \
  || [ $? = 124 ] # the time was over
"$python" -m ntm_tutorial.lab.cli sweep all lstm --summary --output "$OUT"

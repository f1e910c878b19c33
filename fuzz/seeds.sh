#!/usr/bin/env bash
# Makes what fuzzing starts from: a tiny model in fuzz/tiny, and a corpus for each target.
#
#   cargo build --release && make peers && fuzz/seeds.sh
#   cargo +nightly fuzz run gguf -- -max_total_time=600 -rss_limit_mb=2048 -timeout=10
set -euo pipefail
cd "$(dirname "$0")"
root=..
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
$root/target/peers/bin/python $root/tests/peers/tiny_models.py $root/assets/sample "$work"
rm -rf tiny
cp -r "$work/tiny-linear-v0.1" tiny
mkdir -p corpus/{safetensors,config,index,tokenizer_json,tokenizer_model,gguf,imatrix}
for model in "$work"/*/; do
    name=$(basename "$model")
    cp "$model/config.json" "corpus/config/$name"
    cp "$model/tokenizer.json" "corpus/tokenizer_json/$name"
    for index in "$model"/*.index.json; do [ ! -f "$index" ] || cp "$index" "corpus/index/$name"; done
    for shard in "$model"/*.safetensors; do cp "$shard" "corpus/safetensors/$name-$(basename "$shard")"; done
    NODEVICE_SELECT=1 $root/target/release/tuck pack "$model" --type Q4_K_M --device cpu -o "corpus/gguf/$name" --force >/dev/null
done
for vocabulary in $root/tests/data/vocab/*/*.model; do
    cp "$vocabulary" "corpus/tokenizer_model/$(basename "$(dirname "$vocabulary")")"
done
for vocabulary in $root/tests/data/vocab/*/tokenizer.json; do
    cp "$vocabulary" "corpus/tokenizer_json/$(basename "$(dirname "$vocabulary")")"
done
for form in gguf dat; do cp $root/tests/data/imatrix/sample.$form corpus/imatrix/$form; done

#!/bin/sh
# demo.sh [BUILD] -- the main job from end to end, in BUILD/demo, afresh each time: what `make demo` runs.
#
# A fine-tuning whose program lies in a git repository is run, attested and written into a proof, and the proof is verified.
# The repository has a fixed author and fixed dates, so its commit is the same on every machine.
# SPDX-License-Identifier: Apache-2.0
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-build}
case $build in /*) ;; *) build=$root/$build ;; esac
case $build in "$root"/*) short=${build#"$root"/} ;; *) short=$build ;; esac
aicert=$build/aicert
demo=$build/demo
[ -x "$aicert" ] || { echo "demo.sh: no $short/aicert: run 'make' first" >&2; exit 2; }

rm -rf "$demo"
mkdir -p "$demo/project/repo"
AICERT_HOME=${AICERT_HOME:-$demo/home}
export AICERT_HOME

say() { printf '\n== %s\n' "$*"; }
typed() { printf '\n$ %s\n' "$*"; }

say "A project: an Aicertfile, a model, a data set, and a git repository with the training program"
cd "$demo/project"
cp "$root/examples/finetune/Aicertfile" .
mkdir model data
cp "$root/examples/finetune/model/base.safetensors" model/
cp "$root/examples/finetune/data/alpaca-fr-small.csv" data/
mkdir repo/src
cp "$root/examples/finetune/src/"*.py repo/src/
chmod 644 repo/src/*.py
(
	cd repo
	# Nothing of the user's own git settings may change the commit.
	GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
	GIT_AUTHOR_NAME='A. Builder' GIT_AUTHOR_EMAIL=builder@example.org GIT_AUTHOR_DATE=2026-01-01T00:00:00Z
	GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE
	export GIT_CONFIG_NOSYSTEM GIT_CONFIG_GLOBAL GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_AUTHOR_DATE
	export GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL GIT_COMMITTER_DATE
	unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
	git init -q -b main .
	git add -A
	git commit -q -m 'Fine-tune a small French model'
	echo "repository: commit $(git rev-parse HEAD)"
)
echo "Aicertfile:"
sed 's/^/    /' Aicertfile

say "Run it: pin the inputs, train in the sandbox, attest, write the proof"
typed aicert --output-bom finetune-proof.json
"$aicert" --output-bom finetune-proof.json

say "Verify it: no network, no access to what made it"
typed aicert verify finetune-proof.json --require software --output model=outputs/finetuned.safetensors
"$aicert" verify finetune-proof.json --require software --output model=outputs/finetuned.safetensors

typed aicert show finetune-proof.json
"$aicert" show finetune-proof.json

say "Ask for more than a software TPM can prove, and it fails, saying why"
typed aicert verify finetune-proof.json
code=0
"$aicert" verify finetune-proof.json || code=$?
[ $code = 1 ] || { echo "demo.sh: 'aicert verify' without --require ended with $code, expected 1" >&2; exit 1; }

say "The proof is verified at the level 'software'. To go on:"
cat <<END

  cd $short/demo/project
  export AICERT_HOME=$AICERT_HOME PATH=$build:\$PATH

  cat outputs/metrics.json                                   # loss and accuracy, before and after
  aicert --output-bom finetune-proof.json                    # again: nothing is fetched, hashed or trained twice
  aicert hash outputs/finetuned.safetensors                  # what the proof says of the model, and sha256sum too
  aicert verify finetune-proof.json --require software --input source=./repo
  echo 'Dis bonjour.,,Bonjour !' >> data/alpaca-fr-small.csv
  aicert why                                                 # why the training would run again

END

#!/bin/sh
# demo-vm.sh [BUILD [DIR]] -- the measured runner from end to end, in DIR (BUILD/demo-vm), afresh each time: what `make demo-vm` runs.
#
# The fine-tuning of demo.sh, on fewer rows, runs in a virtual machine whose every byte is measured as it boots, and is verified under a
# policy made of the runner's own bytes that names the demo's operator. Two people are played: builder and operator here, and a verifier
# who has a folder of his own and gets three files: the proof, the runner, the operator's root certificate.
# SPDX-License-Identifier: Apache-2.0
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-build}
case $build in /*) ;; *) build=$root/$build ;; esac
case $build in "$root"/*) short=${build#"$root"/} ;; *) short=$build ;; esac
aicert=$build/aicert
demo=${2:-$build/demo-vm}
case $demo in "$root"/*) place=${demo#"$root"/} ;; *) place=$demo ;; esac
[ -x "$aicert" ] && [ -x "$build/aicert-agent" ] || { echo "demo-vm.sh: no $short/aicert with its aicert-agent: run 'make' first" >&2; exit 2; }

rm -rf "$demo"
mkdir -p "$demo/project/repo/src" "$demo/project/model" "$demo/project/data" "$demo/verifier"
AICERT_HOME=${AICERT_HOME:-$demo/home}
export AICERT_HOME

say() { printf '\n== %s\n' "$*"; }
# A command line as it would be typed.
typed() {
	printf '\n$'
	for word; do
		case $word in *' '*) printf ' "%s"' "$word" ;; *) printf ' %s' "$word" ;; esac
	done
	printf '\n'
}
run() {
	typed aicert "$@"
	"$aicert" "$@"
}

say "A project: the training program in a git repository, a model, a data set"
cd "$demo/project"
cp "$root/examples/vm/Aicertfile" "$root/examples/vm/host.yaml" .
cp "$root/examples/finetune/model/base.safetensors" model/
cp "$root/examples/finetune/data/alpaca-fr-small.csv" data/
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

say "The runner: a kernel and aicert in one file, from pinned packages and the agent that was just built"
echo "(without --agent it compiles the agent with the pinned compiler too, and so gives the same bytes on every machine; that takes longer)"
run vm build --agent "$build/aicert-agent" --out ../aicert.efi

say "The operator of machines: an attestation CA, which certifies the key of this host's vTPM"
run ca init ../operator --name "Demo operator"
run vm enroll --ca ../operator

say "The environment: the same steps in this machine's own files, and an image of what they looked at"
run run -f host.yaml --output-bom host.json --output-dir host --quiet
run env freeze -f host.yaml --out frozen

say "The measured run: packed, booted, planned again inside, trained, quoted by the vTPM (emulated it takes minutes)"
run run --in vm --vm-image ../aicert.efi --output-bom finetune-proof.json
if cmp -s host/model outputs/model; then
	echo "outputs/model is, bit for bit, what the host gave"
else
	echo "outputs/model is not bit for bit what the host gave: their processors choose other kernels (README: Which part of determinism is yours)"
fi

say "The verifier: a policy from the runner's bytes, which names the operator; then the proof"
cd "$demo/verifier"
cp "$demo/project/finetune-proof.json" "$demo/aicert.efi" .
cp "$demo/operator/ca.pem" operator.pem
builder=$AICERT_HOME
AICERT_HOME=$demo/verifier/home
run vm reference aicert.efi --machine qemu --authority "Demo operator" --root operator.pem --policy policy.yaml
run verify --policy policy.yaml finetune-proof.json

say "Without that policy nobody is believed to operate the machine, and the same proof is not enough"
typed aicert verify finetune-proof.json
code=0
"$aicert" verify finetune-proof.json || code=$?
[ $code = 1 ] || { echo "demo-vm.sh: 'aicert verify' without a policy ended with $code, expected 1" >&2; exit 1; }

say "What this stands for"
cat <<END
  The proof reached 'measured-platform': what booted is the runner whose bytes the verifier has, with its kernel and command line, on a
  known firmware, and a key that "Demo operator" certified has signed it and all that the runner then did. But here that operator is you,
  and you hold the vTPM's state and the machine's memory: against you it proves nothing. It shows that every part works. The
  same policy is worth something once machine and vTPM belong to somebody who is not the builder: a cloud (aicert vm provider),
  or a host on which the builder has no account.

To go on:

  cd $place/project
  export AICERT_HOME=$builder PATH=$build:\$PATH

  aicert verify finetune-proof.json --require software       # on this machine its own key is known: level software
  aicert vm reference ../aicert.efi                          # PCRs 4, 9 and 11, from the runner's bytes alone
  aicert tpm eventlog --help                                 # what a boot log says, event by event

END

"""`aicert run --in vm` with a machine that boots: what it proves, and that every other end leaves nothing behind."""
import hashlib
import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading

import pytest

sys.path.insert(0, os.path.dirname(__file__))
from runner import SORT, Started, leftovers, project, runner, runtime  # noqa: E402,F401
from images import busybox  # noqa: E402
from fetch.hub_help import Hub, Repo, pointer  # noqa: E402
from fetch.s3_help import S3  # noqa: E402

AICERTFILE = """\
aicert: 1
name: measured
environment: {{ image: 'oci:image' }}
inputs:
  code: {{ git: 'file://{repo}', ref: main }}
  table: {{ url: '{url}/table.csv' }}
  words: {{ path: words }}
steps:
  join:
    use: shell
    inputs: {{ src: code, table: table, words: words }}
    script: |
      echo "joining $(cat "$IN_SRC/src/name.txt")"
      cat "$IN_SRC/src/name.txt" "$IN_TABLE" "$IN_WORDS/b" "$IN_WORDS/a" > "$OUT_JOINED"
    outputs: {{ joined: joined.txt }}
    limits: {{ time: 5m }}
  sort:
    use: shell
    inputs: {{ joined: join.joined }}
    script: |
      sort "$IN_JOINED" > "$OUT_MODEL"
      test ! -e /dev/tpm0 && test ! -e /dev/tpmrm0 && test ! -e /dev/vda
    outputs: {{ model: model.txt }}
    limits: {{ time: 5m }}
outputs: {{ model: sort.model }}
"""

EVERYTHING = """\
aicert: 1
name: everything
environment: {{ image: 'oci:image' }}
parameters: {{ word: }}
inputs:
  base: {{ proof: ../base/proof.json, level: software }}
  hub: {{ huggingface: o/n, files: ['*.bin'] }}
  bucket: {{ s3: 's3://bucket/d/' }}
  code: {{ git: 'file://{repo}', ref: main }}
  absent: {{ path: absent }}
steps:
  train:
    use: shell
    matrix: {{ seed: [1, 2] }}
    checkpoint: ckpt
    script: |
      test -z "$(ls ckpt)" && echo half > ckpt/half
      echo ${{matrix.seed}} ${{param.word}} > "$OUT_MODEL"
    outputs: {{ model: model.txt }}
  join:
    use: shell
    inputs: [base, hub, bucket, code, train.model]
    script: |
      cd resources
      cat base hub/model.bin bucket/part code/large.bin train-1/model.txt train-2/model.txt > "$OUT_JOINED"
    outputs: {{ joined: {{ path: joined.txt, carried: true }} }}
  said: {{ use: container, outputs: {{ said: said.txt }} }}
  other: {{ use: shell, inputs: [absent], script: 'true', outputs: {{ o: o.txt }} }}
"""


@pytest.fixture
def server(tmp_path):
    www = tmp_path / "www"
    www.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *a):
            super().__init__(*a, directory=str(www))

        def log_message(self, *a):
            pass
    s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    t = threading.Thread(target=s.serve_forever)
    t.start()
    yield www, f"http://127.0.0.1:{s.server_port}"
    s.shutdown()
    t.join()
    s.server_close()


def boot(aicert, uki, runtime, *args, code=0):  # noqa: F811
    r = aicert("run", "--in", "vm", "--vm-image", uki, *args, code=code, env={"XDG_RUNTIME_DIR": str(runtime)}, timeout=900)
    assert leftovers(aicert, runtime) == []
    return r


def test_a_measured_run(aicert, runner, runtime, server, git_repo):  # noqa: F811
    """Every sort of input; the same root as outside; measured-platform where a policy names the operator, software where none does."""
    www, url = server
    (www / "table.csv").write_text("c,3\n")
    repo, commit = git_repo({"src/name.txt": "name\n"}, name="origin")
    busybox(aicert.cwd / "image", env=["PATH=/bin"])
    (aicert.cwd / "words").mkdir()
    for name in "ab":
        (aicert.cwd / "words" / name).write_text(f"{name}\n")
    (aicert.cwd / "Aicertfile").write_text(AICERTFILE.format(repo=repo, url=url))
    aicert("run", "--output-bom", "outside.json", "--output-dir", "out")
    ca = aicert.home / "ca"
    aicert("ca", "init", ca, "--name", "Operator")
    aicert("vm", "enroll", "--ca", ca)
    r = boot(aicert, runner, runtime, "--nonce", "n0nce", "--output-bom", "proof.json", "--output-dir", "measured", "-v")
    outside, proof = (json.loads((aicert.cwd / f).read_text()) for f in ("outside.json", "proof.json"))

    # Step by step, as it happens inside, and what steps print.
    for line in (r"^boot    .*aicert\.efi \((tcg|kvm), 1024 MiB\)$", r"^plan    [0-9a-f]{64}$", r"^run     join ", r"^joining name$", r"^run     sort ", r"^done$"):
        assert re.search(line, r.stderr, re.M), (line, r.stderr)
    assert "2 executed, 0 reused" in r.stdout
    assert (aicert.cwd / "measured/model").read_text() == "a\nb\nc,3\nname\n"
    assert proof["root"] == outside["root"] and proof["claims"]["nonce"] == "n0nce"
    assert sorted(v["how"] for v in proof["claims"]["verified"]) == ["git", "none", "oci", "sha256"]
    # Results that come within half a second of each other are one event.
    events = [e["event"] for e in proof["evidence"]["run_log"]]
    assert events in (["job", "plan", "results", "claims"], ["job", "plan", "results", "results", "claims"])
    # The published hash of a git input is its commit only where the machine derived it from the commit's objects.
    assert next(i["hash"] for i in proof["inputs"] if i["type"] == "git") == commit
    assert json.loads((aicert.home / "aicert/data/vm/certificates.json").read_text())["certificates"] == proof["evidence"]["ak_certificates"]

    # On this machine the key is its own; the verifier who trusts the CA to operate machines gets more, and a stranger nothing.
    report = aicert.json("verify", "proof.json", "--require", "software", "--nonce", "n0nce")
    assert report["level"] == "software" and report["boot"]["replayed"]
    aicert("verify", "proof.json", code=1)
    policy = aicert.home / "policy.yaml"
    aicert("vm", "reference", runner, "--policy", policy, "--authority", "Operator", "--root", ca / "ca.pem")
    stranger = {"AICERT_HOME": str(aicert.home / "stranger")}
    report = aicert.json("verify", "proof.json", "--policy", policy, env=stranger)
    assert report["level"] == "measured-platform", report
    assert aicert("verify", "proof.json", "--require", "software", code=1, env=stranger)
    # Its steps' logs are here, and a run outside reuses its results with the machine's attestation.
    assert aicert("log", "join").stdout == "joining name\n"
    aicert("run", "--output-bom", "again.json", "--output-dir", "again")
    assert aicert.json("verify", "again.json", "--require", "software")["root"] == proof["root"]


@pytest.mark.long
def test_a_step_that_fails_certifies_nothing(aicert, runner, runtime):  # noqa: F811
    project(aicert, "echo before the end; exit 7")
    r = boot(aicert, runner, runtime, code=4)
    assert "in the machine: step 'sort'" in r.stderr and "7" in r.stderr and "before the end\n" in r.stderr
    assert not (aicert.cwd / "proof.json").exists() and not (aicert.cwd / "outputs").exists()
    assert aicert("log", "sort").stdout == "before the end\n"
    # A time limit of the step's holds inside, too, and the machine says so before it ends.
    project(aicert, "sleep 600", "time: 3s")
    assert "time limit (3s)" in boot(aicert, runner, runtime, code=4).stderr
    # What failed is not known as done: mended, it runs.
    project(aicert)
    boot(aicert, runner, runtime)
    aicert("verify", "proof.json", "--require", "software")


@pytest.mark.long
@pytest.mark.parametrize("sig, code", [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_interrupted(aicert, runner, runtime, sig, code):  # noqa: F811
    project(aicert, "echo asleep; sleep 600; " + SORT)
    with Started(aicert, "run", "--in", "vm", "--vm-image", runner, env={"XDG_RUNTIME_DIR": str(runtime)}) as run:
        assert run.until("asleep\n").end(sig)[0] == code
    assert not (aicert.cwd / "proof.json").exists()
    if sig != signal.SIGKILL:
        assert leftovers(aicert, runtime) == []
    # The store is whole, the vTPM too: the next one runs.
    project(aicert)
    boot_after = aicert("run", "--in", "vm", "--vm-image", runner, timeout=900, env={"XDG_RUNTIME_DIR": str(runtime)})
    assert "1 executed" in boot_after.stdout
    assert leftovers(aicert, runtime) == []


@pytest.mark.long
def test_the_time_is_up(aicert, runner, runtime):  # noqa: F811
    project(aicert, "echo asleep; sleep 600")
    r = boot(aicert, runner, runtime, "--vm-time", "50s", code=5)
    assert "machine: was not done after 50 s, and was ended" in r.stderr and "| asleep" in r.stderr
    log = re.search(r"its console: (\S+\.log)", r.stderr)[1]
    assert "| asleep" in open(log).read()
    assert not (aicert.cwd / "proof.json").exists()


@pytest.mark.long
def test_a_step_that_takes_all_memory(aicert, runner, runtime):  # noqa: F811
    """The kernel ends the step, or the machine: never a proof, and always a word."""
    project(aicert, "head -c 3000000000 /dev/zero > /dev/shm/much; " + SORT)
    r = boot(aicert, runner, runtime, "--vm-memory", "1G", "--vm-time", "90s", code=None)
    assert r.returncode in (4, 5), r.stderr
    assert not (aicert.cwd / "proof.json").exists()


@pytest.mark.long
def test_the_hosts_disk_is_full(aicert, runner, runtime):  # noqa: F811
    """The machine is told so and ends, well before its time; QEMU by itself would wait for room."""
    if os.geteuid() != 0:
        pytest.skip("mounts a small file system, as root")
    home = aicert.home / "aicert"
    home.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m,mode=700", "none", home], check=True)
    try:
        project(aicert, 'head -c 67108864 /dev/zero > "$OUT_SORTED"')
        r = boot(aicert, runner, runtime, "--vm-time", "10m", code=5)
        assert "aicert: in the machine: result disk: " in r.stderr and "hint: this host's disk is full" in r.stderr
        assert not (aicert.cwd / "proof.json").exists()
        # With room again it is whole.
        project(aicert)
        boot(aicert, runner, runtime)
    finally:
        subprocess.run(["umount", home], check=True)


@pytest.mark.long
def test_what_is_no_runner_boots_nothing(aicert, runner, runtime, tmp_path):  # noqa: F811
    project(aicert)
    other = tmp_path / "other.efi"
    other.write_bytes(runner.read_bytes()[:1 << 20])
    assert f"machine: {other}: PE: " in boot(aicert, other, runtime, "--vm-time", "40s", code=3).stderr
    assert not (aicert.cwd / "proof.json").exists()


@pytest.mark.long
def test_two_at_once_take_turns(aicert, aicert_in, runner, runtime, tmp_path):  # noqa: F811
    """One host, one vTPM: the second machine waits for the first to end, and both prove what they did."""
    other = aicert_in(aicert.home, tmp_path / "other")
    other.cwd.mkdir()
    project(aicert, "sleep 5; " + SORT)
    project(other, "sleep 1; " + SORT)
    with Started(aicert, "run", "--in", "vm", "--vm-image", runner) as run:
        run.until("\nboot ")
        r = other("run", "--in", "vm", "--vm-image", runner, timeout=900)
        assert run.p.wait(600) == 0
    assert "another machine of this host uses its vTPM" in r.stderr
    for one in (aicert, other):
        one("verify", one.cwd / "proof.json", "--require", "software")


@pytest.mark.long
def test_known_results_are_not_used_inside(aicert, runner, runtime, git_repo, tmp_path):  # noqa: F811
    """Of a job with all that an Aicertfile can ask for: parameters, a matrix, chosen steps, every remote source, another run's output, checkpoints."""
    base = tmp_path / "base"
    base.mkdir()
    (base / "Aicertfile").write_text("aicert: 1\nname: base\nenvironment: host\nsteps:\n  b: { use: shell, script: 'echo base > $OUT_M', outputs: { m: m.txt } }\n")
    aicert(cwd=base)
    with Hub() as hub, S3() as s3:
        hub.repos["models", "o/n"] = Repo({"config.json": b"{}", "model.bin": b"hub\n"}, ["model.bin"])
        s3.public.add("bucket"), s3.put("bucket", "d/part", b"s3\n")
        repo, _ = git_repo({".gitattributes": "*.bin filter=lfs -text\n", "large.bin": pointer(b"lfs\n")})
        oid = hashlib.sha256(b"lfs\n").hexdigest()
        large = repo / ".git/lfs/objects" / oid[:2] / oid[2:4]
        large.mkdir(parents=True)
        (large / oid).write_bytes(b"lfs\n")
        busybox(aicert.cwd / "image", env=["PATH=/bin"], run={"Entrypoint": ["/bin/sh", "-c"], "Cmd": ["echo cmd > /workspace/outputs/said.txt"]})
        (aicert.cwd / "Aicertfile").write_text(EVERYTHING.format(repo=repo))
        servers = {"HF_ENDPOINT": hub.url, "AWS_ENDPOINT_URL": s3.url}
        chosen = ("join", "said", "-D", "word=given")
        aicert("run", "-q", *chosen, "--output-bom", "outside.json", "--output-dir", "out", env=servers)
        r = aicert("run", *chosen, "--in", "vm", "--vm-image", runner, "--fresh", env={**servers, "XDG_RUNTIME_DIR": str(runtime)}, timeout=900)
    assert leftovers(aicert, runtime) == [] and "4 executed, 0 reused" in r.stdout
    outside, proof = (json.loads((aicert.cwd / f).read_text()) for f in ("outside.json", "proof.json"))
    assert outside["root"] == proof["root"]
    assert (aicert.cwd / "outputs/joined").read_text() == "base\nhub\ns3\nlfs\n1 given\n2 given\n" and (aicert.cwd / "outputs/said").read_text() == "cmd\n"
    assert sorted(v["how"] for v in proof["claims"]["verified"]) == ["git", "oci", "sha256", "sha256", "sha256"]
    report = aicert.json("verify", "proof.json", "--require", "software")
    assert [t["name"] for t in report["lineage"]] == ["base"] and [c["text"] for c in report["carried"]] == ["base\nhub\ns3\nlfs\n1 given\n2 given\n"]
    plan = next(n for n in proof["nodes"].values() if n["kind"] == "plan")
    assert {p["name"]: p["value"] for p in plan["parameters"]} == {"aicert.steps": "join,said", "word": "given"}

#!/usr/bin/python3
"""Figures of aicert as ratios to a peer that was measured in the same minute, for machines differ and are shared.

    tests/bench/bench.py [--build build] [--runs N] [--only WORD] [--long]

Both sides of a ratio run in turn, N times; the least time of each counts, which is the one that the machine disturbed least.
SPDX-License-Identifier: Apache-2.0
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
GIB, SMALL, MANY = 1 << 30, 100 << 10, 10_000
GRAPHS = ROOT.parent / "shared/bench/gen_graph.py"

ROWS = ("hash_one", "hash_many", "run_and_verify", "verify", "sandbox", "pipeline", "nothing", "observer", "image", "eventlog", "machine")

sys.path.insert(0, str(ROOT / "tests/image"))
from images import busybox  # noqa: E402


class Failed(Exception):
    pass


def seconds(argv, cwd, env, stdin=None):
    """Wall seconds of one process from fork to exit; its output only when it fails."""
    with open(stdin, "rb") if stdin else open(os.devnull, "rb") as i, tempfile.TemporaryFile() as out:
        start = time.perf_counter()
        code = subprocess.run(argv, cwd=cwd, env=env, stdin=i, stdout=out, stderr=subprocess.STDOUT).returncode
        took = time.perf_counter() - start
        if code != 0:
            out.seek(0)
            raise Failed(f"{' '.join(map(str, argv))}: exit {code}\n{out.read().decode('utf-8', 'replace')[-2000:]}")
        return took


def in_turn(runs, *sides):
    """The least time of each side, the sides run one after the other."""
    times = [[side() for side in sides] for _ in range(runs)]
    return [min(column) for column in zip(*times)]


def fill(f, size, number):
    """size bytes that follow from number; no two blocks of the set are equal."""
    for at in range(0, size, len(BLOCK)):
        BLOCK[:16] = number.to_bytes(8, "little") + at.to_bytes(8, "little")
        f.write(BLOCK[:min(len(BLOCK), size - at)])


BLOCK = bytearray(bytes(range(256)) * 4096)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Bench:
    def __init__(self, build, tmp, runs, long):
        self.aicert, self.tmp, self.runs, self.long = build / "aicert", tmp, runs, long
        self.env = {"PATH": os.environ["PATH"], "HOME": str(tmp), "AICERT_HOME": str(tmp / "home"), "LC_ALL": "C.UTF-8", "GIT_CONFIG_NOSYSTEM": "1"}

    def time(self, *argv, cwd=None, stdin=None):
        return seconds([str(a) for a in argv], cwd or self.tmp, self.env, stdin)

    def report(self, what, own, peer, peer_name, unit="s"):
        scale, fmt = (1000, ".3f" if own < 0.001 else ".1f") if unit == "ms" else (1, ".3f")
        print(f"{what:<44} {own * scale:>9{fmt}} {unit:<2}  {peer_name:<28} {peer * scale:>9{fmt}} {unit:<2}  ratio {own / peer:6.2f}", flush=True)

    def hash_one(self):
        big = self.tmp / "big"
        with open(big, "wb") as f:
            fill(f, GIB, 1)
        self.time("sha256sum", big)
        a, o = in_turn(self.runs, lambda: self.time(self.aicert, "hash", big), lambda: self.time("openssl", "dgst", "-sha256", big))
        self.report("aicert hash, one file of 1 GiB", a, o, "openssl dgst -sha256")
        big.unlink()

    def hash_many(self):
        folder, names = self.tmp / "many", self.tmp / "names"
        for i in range(MANY):
            d = folder / f"d{i // 1000:03}"
            if i % 1000 == 0:
                d.mkdir(parents=True)
            with open(d / f"f{i % 1000:03}", "wb") as f:
                fill(f, SMALL, i)
        names.write_text("\0".join(str(p) for p in sorted(folder.rglob("f*"))) + "\0")
        peer = ("xargs", "-0", "-P2", "-n500", "openssl", "dgst", "-sha256")
        self.time(*peer, stdin=names)
        a, o = in_turn(self.runs, lambda: self.time(self.aicert, "hash", folder), lambda: self.time(*peer, stdin=names))
        self.report("aicert hash, 10,000 files of 100 KiB", a, o, "openssl dgst, xargs -P2")
        shutil.rmtree(folder)

    def project(self):
        """examples/finetune as a project of its own, and beside it the folder in which the same program runs bare."""
        example, project, bare = ROOT / "examples/finetune", self.tmp / "project", self.tmp / "bare"
        shutil.copytree(example / "src", project / "repo/src", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("model", "data"):
            shutil.copytree(example / name, project / name)
        shutil.copy(example / "Aicertfile", project)
        who = {**self.env, "GIT_AUTHOR_NAME": "b", "GIT_AUTHOR_EMAIL": "b@example.org", "GIT_COMMITTER_NAME": "b", "GIT_COMMITTER_EMAIL": "b@example.org"}
        for args in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "bench"]):
            seconds(["git", *args], project / "repo", who)
        shutil.copytree(example / "src", bare / "src", ignore=shutil.ignore_patterns("__pycache__"))
        (bare / "resources").mkdir()
        (bare / "outputs").mkdir()
        shutil.copy(example / "model/base.safetensors", bare / "resources")
        shutil.copy(example / "data/alpaca-fr-small.csv", bare / "resources")
        return project, bare

    def run_and_verify(self):
        project, bare = self.project()

        def run():
            for name in ("outputs", "proof.json", "aicert.lock"):
                p = project / name
                shutil.rmtree(p, ignore_errors=True) if p.is_dir() else p.unlink(missing_ok=True)
            shutil.rmtree(self.tmp / "home", ignore_errors=True)
            return self.time(self.aicert, "--output-bom", "proof.json", cwd=project)

        def cpu(side):
            before, wall, after = os.times(), side(), os.times()
            spent.setdefault(side, []).append(sum(after[2:4]) - sum(before[2:4]))
            return wall

        spent, train = {}, lambda: self.time("/usr/bin/python3", "src/main.py", cwd=bare)
        total, python = in_turn(max(3, self.runs // 2), lambda: cpu(run), lambda: cpu(train))
        self.report("aicert, examples/finetune from nothing", total, python, "the same training, bare")
        print(f"  its overhead around the training           {total - python:>9.3f} s   (aim: at most 2 s)")
        print(f"  the same in processor time                 {min(spent[run]) - min(spent[train]):>9.3f} s")
        nothing, true = in_turn(4 * self.runs, lambda: self.time(self.aicert, "--output-bom", "proof.json", cwd=project), lambda: self.time("true"))
        self.report("aicert, a second run that does nothing", nothing, true, "true", "ms")
        verify, true = in_turn(4 * self.runs, lambda: self.time(self.aicert, "verify", "proof.json", "--require", "software", cwd=project), lambda: self.time("true"))
        self.report("aicert verify, whole process (aim: 15 ms)", verify, true, "true", "ms")

    def verify(self):
        """Judging proofs against what no verifier can leave out: starting, parsing and hashing, OpenSSL's verifications."""
        tool, steps, fleet = self.aicert.parent / "bench/verify_bench", self.tmp / "steps.json", self.tmp / "fleet.json"
        project = self.tmp / "project"
        if not project.exists():
            self.project()
        self.time(self.aicert, "--output-bom", "proof.json", cwd=project)
        verify = (self.aicert, "verify", "proof.json", "--require", "software")
        whole, floor = in_turn(8 * self.runs, lambda: self.time(*verify, cwd=project), lambda: self.time(tool, "start", "proof.json", cwd=project))
        self.report("aicert verify, the demo's proof (aim: 15 ms)", whole, floor, "start, a quote, a chain", "ms")
        self.time(tool, "steps", "10000", steps)
        self.time(tool, "attestations", "100", fleet)
        for what, mode, proof, peer in (("verify 10,000 steps (aim: 2.0)", "parse", steps, "parse and SHA-256"),
                                        ("verify 100 attestations (aim: 1.3)", "openssl", fleet, "OpenSSL's verifications")):
            out = subprocess.run([tool, mode, proof, str(2 * self.runs)], env=self.env, capture_output=True, text=True)
            if out.returncode:
                raise Failed(f"verify_bench {mode}: {out.stderr}{out.stdout}")
            own, other = (float(n) / 1000 for n in out.stdout.split()[:2])
            self.report(what, own, other, peer, "ms")

    def image(self):
        """A registry's image into the store and out as a step's root folder, against skopeo and umoci (which sync nothing)."""
        where, port = self.tmp / "image", free_port()
        tool, layout = where / "layers_tool", where / "layout"
        where.mkdir()
        subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-O2", f"-I{ROOT}/aicert", f"-I{ROOT}", "-o", tool, ROOT / "tests/fetch/layers_tool.c",
                        self.aicert.parent / "libaicert.a", *"-lcrypto -ljansson -lyaml -lgit2 -lcurl -larchive -lsqlite3 -lpthread".split()], check=True)
        sys.path.insert(0, str(ROOT / "tests"))
        from fetch.layout_help import Layout
        made, tars = Layout(layout), []
        for i, folders in enumerate(("usr/lib/python3 usr/lib/python3.11", "usr/share/perl usr/include usr/share/zoneinfo")):
            tars.append(where / f"{i}.tar")
            self.time("tar", "-C", "/", "-cf", tars[-1], *[f for f in folders.split() if os.path.isdir(f"/{f}")])
        made.name(made.image([t.read_bytes() for t in tars], "gzip"), "x")
        (where / "registry.yml").write_text(f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {where}/registry}}}}\n"
                                            f"http: {{addr: 127.0.0.1:{port}}}\n")
        registry = subprocess.Popen(["docker-registry", "serve", str(where / "registry.yml")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            name = f"127.0.0.1:{port}/bench:x"
            for _ in range(100):
                with socket.socket() as s:
                    if s.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            copy = ("skopeo", "copy", "-q", "--insecure-policy", "--src-tls-verify=false", "--dest-tls-verify=false")
            self.time(*copy, f"oci:{layout}:x", f"docker://{name}")

            def own():
                for d in ("home", "cache"):
                    shutil.rmtree(where / d, ignore_errors=True)
                return self.time(tool, "pull", name, "--project", where, "--cache", where / "cache", "--home", where / "home")

            def peer():
                for d in ("pulled", "bundle"):
                    shutil.rmtree(where / d, ignore_errors=True)
                return self.time(*copy, f"docker://{name}", f"oci:{where}/pulled:x") + self.time("umoci", "unpack", "--image", f"{where}/pulled:x", where / "bundle")
            a, o = in_turn(max(3, self.runs // 2), own, peer)
            n = sum(len(files) for _, _, files in os.walk(where / "bundle/rootfs"))
            self.report(f"pull and unpack an image of {n} files (aim: 1.0)", a, o, "skopeo copy, umoci unpack")
        finally:
            registry.terminate()
            registry.wait()
        shutil.rmtree(where)

    def observer(self):
        """A Python start with numpy: the same sandbox without and with the observer, runs in turn; and looking at its record again."""
        tool = self.tmp / "observe_tool"
        subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", f"-I{ROOT}/aicert", f"-I{ROOT}", "-o", tool, ROOT / "tests/observe/observe_tool.c",
                        self.aicert.parent / "libaicert.a", "-lcrypto", "-ljansson", "-lsqlite3", "-lpthread"], check=True)

        def ask(*args):
            return json.loads(subprocess.run([tool, *args], check=True, capture_output=True, text=True, env={**self.env, "TMPDIR": str(self.tmp)}).stdout)

        for name, argv in (("python3 -c 'import numpy'", ["/usr/bin/python3", "-c", "import numpy"]), ("true", ["/bin/true"])):
            t = ask("time", str(8 * self.runs), *argv)
            self.report(f"sandbox and observer, {name}", t["observed"] / 1000, t["sandbox"] / 1000, "the sandbox alone", "ms")
            self.report("  the same in processor time (aim: 1.15)", t["cpu"]["observed"] / 1000, t["cpu"]["sandbox"] / 1000, "the sandbox alone", "ms")
        again = ask("holds", str(8 * self.runs), "/usr/bin/python3", "-c", "import numpy")
        print(f"  its record of {again['paths']} paths looked at again  {again['ms']:>9.1f} ms")

    def sandbox(self):
        """`true` as a step, in the machine's folders and in an image of one static program, beside bubblewrap and a bare spawn."""
        root, scratch = self.tmp / "root", self.tmp / "scratch"
        for d in ("bin", "dev", "etc", "home/aicert", "proc", "run", "sys", "tmp", "workspace"):
            (root / d).mkdir(parents=True)
        shutil.copy("/usr/bin/busybox", root / "bin/busybox")
        (root / "bin/true").symlink_to("busybox")
        peer = ("bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true")
        argv = [self.aicert.parent / "bench/sandbox_bench", scratch, str(40 * self.runs), root, *peer]
        out = subprocess.run(argv, env=self.env, capture_output=True, text=True)
        if out.returncode:
            raise Failed(f"sandbox_bench: {out.stderr}")
        bare, host, image, bwrap = (float(n) / 1000 for n in out.stdout.split())
        self.report("true in the sandbox, host (aim: 0.4)", host, bwrap, "bwrap --unshare-all", "ms")
        self.report("true in the sandbox, image (aim: 0.4)", image, bwrap, "bwrap --unshare-all", "ms")
        self.report("true in the sandbox, host", host, bare, "bare fork and exec", "ms")

    def pipeline(self):
        """Steps that do nothing, each in a sandbox of its own, to a proof; ninja runs bubblewrap as often, and a bare spawn."""
        where, steps = self.tmp / "pipeline", 10_000 if self.long else 1_000
        where.mkdir()
        busybox(where / "image", env=["PATH=/bin"])
        bwrap = "bwrap --unshare-all --ro-bind / / --proc /proc --dev /dev true"
        turn = 0

        def graph(n):
            nonlocal turn
            turn += 1
            step = "  s{0}: {{ use: shell, script: ': {1} {0} > $OUT_O', outputs: {{ o: o.txt }} }}\n"
            (where / "Aicertfile").write_text("aicert: 1\nname: many\nenvironment: { image: 'oci:image' }\nsteps:\n" +
                                              "".join(step.format(i, turn) for i in range(n)) + "outputs: { o: s0.o }\n")

        def own():
            graph(steps)
            return self.time(self.aicert, "run", "-q", "-j2", "--force", cwd=where)

        def ninja(command):
            def run():
                (where / "build.ninja").write_text(f"rule c\n  command = {command}\n" + "".join(f"build o{i}: c\n" for i in range(steps)))
                return self.time("ninja", "-j2", "--quiet", cwd=where)
            return run

        graph(1)
        self.time(self.aicert, "run", "-q", cwd=where)
        a, boxed, bare = in_turn(1 if self.long else 2, own, ninja(bwrap), ninja("true"))
        self.report(f"{steps:,} steps in sandboxes, -j2 (aim: 0.5)", a, boxed, "ninja -j2, bwrap --unshare-all")
        self.report("  the same", a, bare, "ninja -j2, no sandbox")
        shutil.rmtree(where)

    def graph(self, n, where):
        """A graph of n copies of a file of its own, for ninja and, step by step and output by output the same, for aicert."""
        subprocess.run([sys.executable, GRAPHS, "ninja", "flat", str(n), where], check=True)
        files = [(i, f"d{i // 1000:03}/f{i % 1000:03}") for i in range(n)]
        (where / "Aicertfile").write_text(
            "aicert: 1\nname: graph\nenvironment: { image: 'oci:image' }\ninputs:\n" + "".join(f"  i{i}: {{ path: in/{f} }}\n" for i, f in files) +
            "steps:\n" + "".join(f"  s{i}: {{ use: copy, from: i{i}, outputs: {{ o: {f[5:]} }} }}\n" for i, f in files) +
            "outputs:\n" + "".join(f"  o{i}: s{i}.o\n" for i, _ in files))
        busybox(where / "image", env=["PATH=/bin"])

    def tup(self, n, where):
        """The same for tup, built; None where it cannot run: it watches its commands through a file system of its own (FUSE)."""
        for tool in ("tup", "fusermount3"):
            if not shutil.which(tool):
                print(f"  {tool} is not installed: no row of tup")
                return None
        subprocess.run([sys.executable, GRAPHS, "tup", "flat", str(n), where], check=True)
        try:
            self.time("tup", "init", cwd=where)
            self.time("tup", "-j2", cwd=where)
        except Failed as e:
            print(f"  tup does not run here: {str(e).strip().splitlines()[-1]}")
            return None
        return lambda: self.time("tup", cwd=where)

    def nothing(self):
        """Whole graphs built, with nothing to do, and with one input changed, beside ninja and tup on the same graphs."""
        if not GRAPHS.is_file():
            print(f"graphs: {GRAPHS} is absent: no figures of nothing to do, nor of one input changed")
            return
        for n in (1_000, 10_000, 100_000) if self.long else (1_000, 10_000):
            where = self.tmp / f"graph{n}"
            self.graph(n, where)
            changed = where / "in/d000/f007"

            def own():
                return self.time(self.aicert, "run", "-q", "-j2", cwd=where)

            def ninja():
                return self.time("ninja", "-j2", "--quiet", cwd=where)

            def after_edit(side):
                def run():
                    changed.write_text(f"{time.perf_counter()}\n")
                    return side()
                return run

            whole, peer = in_turn(1, own, ninja)
            self.report(f"{n:,} steps that copy a file, -j2, no sandbox", whole, peer, "ninja -j2, cp")
            self.report("  nothing to do, the first time", own(), ninja(), "ninja")
            a, b = in_turn(2 * self.runs, own, ninja)
            self.report("  nothing to do (aim: 1.0)", a, b, "ninja")
            other = self.tup(n, self.tmp / f"tup{n}")
            if other:
                a, b = in_turn(2 * self.runs, own, other)
                self.report("  nothing to do", a, b, "tup")
            a, b = in_turn(max(2, self.runs // 2), after_edit(own), after_edit(ninja))
            self.report("  one input changed (aim: 1.2)", a, b, "ninja")
            shutil.rmtree(where)
            shutil.rmtree(self.tmp / f"tup{n}", ignore_errors=True)

    def eventlog(self):
        """A boot log parsed and replayed in process, beside the SHA-256 of its bytes: a made one of 60 KB, and a server's where it is at hand."""
        real = ROOT.parent / "shared/vectors/google+go-tpm-tools/internal/test/eventlogs/gdc-host.bin"
        for what, log in (("60 KB", []), ("a server's, 158 events", [real])):
            if log and not real.is_file():
                continue
            out = subprocess.run([self.aicert.parent / "bench/eventlog_bench", str(1000 * self.runs), *log], env=self.env, capture_output=True, text=True)
            if out.returncode:
                raise Failed(f"eventlog_bench: {out.stderr}")
            replay, sha256, facts, _ = (float(n) / 1e6 for n in out.stdout.split())
            self.report(f"boot log replayed, {what} (aim: 2)", replay, sha256, "SHA-256 of its bytes", "ms")
            self.report("  the same put in words", facts, sha256, "SHA-256 of its bytes", "ms")

    def said(self, *argv, cwd):
        """Runs aicert; the second at which each line of its talk came, with the line."""
        start, lines = time.perf_counter(), []
        with subprocess.Popen([self.aicert, *argv], cwd=cwd, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              text=True, errors="replace") as p:
            for line in p.stderr:
                lines.append((time.perf_counter() - start, line))
        if p.returncode:
            raise Failed(f"aicert {' '.join(map(str, argv))}: exit {p.returncode}\n{''.join(l for _, l in lines)[-2000:]}")
        return lines

    def machine(self):
        """The measured runner: its size, its boot, and what a step costs in it, beside the same steps in the sandbox outside."""
        where, uki, steps = self.tmp / "machine", self.tmp / "aicert.efi", 20
        where.mkdir()
        self.time(self.aicert, "vm", "build", "--agent", self.aicert.parent / "aicert-agent", "--out", uki)
        self.report("size of the runner (aim: 40 MB)", uki.stat().st_size / 1e6, section(uki, ".linux") / 1e6, "the kernel in it", "MB")
        sys.path.insert(0, str(ROOT / "tests/image"))
        from images import busybox
        busybox(where / "image", env=["PATH=/bin"])
        (where / "Aicertfile").write_text("aicert: 1\nenvironment: { image: 'oci:image' }\nsteps:\n" + "".join(
            f"  s{i:02}: {{ use: shell, script: 'echo {i} > \"$OUT_O\"', outputs: {{ o: o }} }}\n" for i in range(steps)))

        def at(lines, pattern):
            return next(t for t, line in lines if re.match(pattern, line))

        def inside():
            lines = self.said("run", "--in", "vm", "--vm-image", uki, "--output-dir", "in", "--force", cwd=where)
            began = at(lines, r"boot    /")
            self.accelerator = next(m[1] for _, line in lines if (m := re.match(r"boot    /.* \((\w+),", line)))
            return at(lines, r"run     ") - began, at(lines, r"boot    aicert ") - began, (at(lines, r"attest  ") - at(lines, r"run     ")) / steps

        def outside():
            lines = self.said("run", "--fresh", "--output-dir", "out", "--force", cwd=where)
            return (at(lines, r"attest  ") - at(lines, r"run     ")) / steps
        n = max(1, self.runs // 3)
        boots, bare = [inside() for _ in range(n)], [outside() for _ in range(3 * n)]
        first, init, step = (min(column) for column in zip(*boots))
        self.report(f"measured machine ({self.accelerator}), start to first step", first, init, "of it until /init talks")
        self.report(f"a step of {steps} in it", step, min(bare), "the same outside", "ms")


def section(uki, name):
    """Size of a section of a PE image."""
    data = uki.read_bytes()
    pe = struct.unpack_from("<I", data, 0x3c)[0]
    count, optional = struct.unpack_from("<H12xH", data, pe + 6)
    for at in range(pe + 24 + optional, pe + 24 + optional + 40 * count, 40):
        if data[at:at + 8].rstrip(b"\0").decode() == name:
            return struct.unpack_from("<I", data, at + 8)[0]
    raise Failed(f"{uki}: no section {name}")


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    ap.add_argument("--runs", type=int, default=5)
    ap.add_argument("--only", default="", help="one of: " + ", ".join(ROWS))
    ap.add_argument("--long", action="store_true", help="10,000 steps in sandboxes, and a graph of 100,000: an hour")
    args = ap.parse_args()
    # Not in /tmp, which may be memory: the figures are of files on a disk, with their bytes in the page cache.
    with tempfile.TemporaryDirectory(prefix="bench.", dir=args.build) as tmp:
        b = Bench(args.build.resolve(), pathlib.Path(tmp).resolve(), args.runs, args.long)
        for name in ROWS:
            if args.only in ("", name):
                try:
                    getattr(b, name)()
                except Failed as e:
                    print(f"{name}: {e}", file=sys.stderr)
                    return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

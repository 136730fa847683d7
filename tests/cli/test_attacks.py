"""What a hostile project, step, cache or proof may try against an honest builder or verifier."""
import hashlib
import json
import sqlite3
import stat

import pytest

HEAD = "aicert: 1\nname: small\n"
STEP = HEAD + """\
inputs: {{ words: {{ path: words.txt }} }}
steps:
  sort:
    use: shell
    inputs: {{ raw: words }}
    script: |
      {script}
    outputs: {{ sorted: {out} }}
"""


@pytest.fixture
def shell(aicert):
    def write(script='sort "$IN_RAW" > "$OUT_SORTED"', out="sorted.txt"):
        (aicert.cwd / "words.txt").write_text("b\na\n")
        (aicert.cwd / "Aicertfile").write_text(STEP.format(script=script, out=out))
    return write


# --- a project that somebody else wrote ------------------------------------------------------------

@pytest.mark.parametrize("out, link", [("key", "outputs"), ("deep/key", "outputs/deep")])
def test_outputs_are_not_written_through_a_link(aicert, shell, tmp_path, out, link):
    victim = tmp_path / "victim"
    victim.mkdir()
    shell(script='mkdir -p "$(dirname "$OUT_SORTED")"; sort "$IN_RAW" > "$OUT_SORTED"', out=out)
    (aicert.cwd / link).parent.mkdir(exist_ok=True)
    (aicert.cwd / link).symlink_to(victim)
    for force in ((), ("--force",)):
        r = aicert(*force, code=2)
        assert f"{aicert.cwd / link}: is a symbolic link" in r.stderr and "hint:" in r.stderr
    assert not list(victim.iterdir())
    if link == "outputs":  # where the user says so himself it is where he wants it
        aicert("--output-dir", link)
        assert (victim / "key").read_text() == "a\nb\n"


@pytest.mark.parametrize("name", ["proof.json", "outputs/sorted.txt", "aicert.lock"])
def test_a_link_for_a_file_is_not_written_through(aicert, shell, git_repo, tmp_path, name):
    victim = tmp_path / "victim"
    victim.write_text('{"format": 1, "inputs": {}}\n')
    before = victim.read_bytes()
    shell()
    if name == "aicert.lock":
        repo, _ = git_repo({"a": "b"})
        (aicert.cwd / "Aicertfile").write_text((aicert.cwd / "Aicertfile").read_text().replace("inputs: { words", f"inputs: {{ code: {{ git: 'file://{repo}' }}, words", 1))
    (aicert.cwd / name).parent.mkdir(exist_ok=True)
    (aicert.cwd / name).symlink_to(victim)
    aicert(code=0 if name == "aicert.lock" else 2)
    aicert("--force")
    assert victim.read_bytes() == before
    assert not (aicert.cwd / name).is_symlink()


@pytest.mark.parametrize("path", ["data", "file", "d/in/id_rsa", "d/in"])
def test_a_link_does_not_lead_an_input_out_of_the_project(aicert, tmp_path, path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/id_rsa").write_text("key\n")
    (aicert.cwd / "data").symlink_to("../secret")
    (aicert.cwd / "file").symlink_to("../secret/id_rsa")
    (aicert.cwd / "d").mkdir()
    (aicert.cwd / "d/in").symlink_to("../../secret")
    (aicert.cwd / "inside").symlink_to("d/..")

    def write(inputs):
        (aicert.cwd / "Aicertfile").write_text(HEAD + f"inputs: {{ i: {inputs} }}\nsteps: {{ s: {{ use: shell, inputs: {{ i: i }}, script: 'echo > \"$OUT_O\"', outputs: {{ o: o }} }} }}\n")
    write(f"{{ path: {path} }}")
    assert f"'{path}' leads out of the project, to '{tmp_path}/secret" in aicert(code=3).stderr
    assert not (aicert.cwd / "proof.json").exists()
    for good in (f"{{ path: {path}, follow: true }}", "{ path: ../secret }", "{ path: inside/Aicertfile }"):
        write(good)
        aicert("--force")


@pytest.mark.parametrize("script, words", [
    ('mkdir "$OUT_SORTED"; ln -s /etc/passwd "$OUT_SORTED/p"', "leaves"),
    ('mkdir "$OUT_SORTED"; ln -s ../../../etc "$OUT_SORTED/p"', "leaves"),
    ('mkdir "$OUT_SORTED"; mkfifo "$OUT_SORTED/p"', "neither"),
    ('ln -s /etc "$OUT_SORTED"', "symbolic link"),
    ('rmdir outputs; ln -s /etc outputs', "symbolic link"),
])
def test_outputs_that_are_no_plain_content(aicert, shell, script, words):
    shell(script=script, out="d/")
    r = aicert(code=None)
    assert r.returncode in (3, 4), r.stderr
    assert not (aicert.cwd / "outputs").exists() and not (aicert.cwd / "proof.json").exists()


def test_a_step_cannot_change_what_it_was_given(aicert, shell):
    """Inputs are the store's very objects, bound in: no mode, no link and no uid makes them the step's."""
    shell(script="""\
for f in "$IN_RAW"; do
        chmod 777 "$f" && echo chmod; echo evil > "$f" && echo wrote; rm -f "$f" && echo removed
        ln "$f" outputs/hard && echo linked; touch "$f" && echo touched; mv "$f" /tmp/x && echo moved
      done > "$OUT_SORTED" 2>/dev/null; echo end >> "$OUT_SORTED"; test "$(cat "$IN_RAW")" = "b
      a" """)
    aicert()
    assert (aicert.cwd / "outputs/sorted.txt").read_text() == "end\n"
    objects = [p for p in (aicert.home / "aicert/cache/objects").rglob("*") if p.is_file()]
    assert objects
    for p in objects:
        assert hashlib.sha256(p.read_bytes()).hexdigest() == p.parent.name + p.name
        assert stat.S_IMODE(p.stat().st_mode) == 0o444 and p.stat().st_nlink == 1


# --- a cache that somebody edited --------------------------------------------------------------------

TWO = HEAD + """\
inputs: { words: { path: words.txt } }
steps:
  good: { use: shell, inputs: { raw: words }, script: 'sort "$IN_RAW" > "$OUT_O"', outputs: { o: o } }
  evil: { use: shell, inputs: { raw: words }, script: 'echo evil > "$OUT_O"', outputs: { o: o } }
"""


def edit(aicert, sql, *values):
    with sqlite3.connect(aicert.home / "aicert/cache/store.db") as c:
        n = c.execute(sql, values).rowcount
    assert n, sql


def test_a_result_of_another_step_is_not_reused(aicert):
    (aicert.cwd / "words.txt").write_text("b\na\n")
    (aicert.cwd / "Aicertfile").write_text(TWO)
    aicert()
    p = json.loads((aicert.cwd / "proof.json").read_text())
    results = {r["name"]: r["id"] for r in p["nodes"][p["root"]]["results"]}
    edit(aicert, "update results set result=? where result=?", bytes.fromhex(results["evil"]), bytes.fromhex(results["good"]))
    assert aicert.json()["executed"] == 1
    aicert("verify", "proof.json", "--require", "software")
    again = json.loads((aicert.cwd / "proof.json").read_text())
    assert again["root"] == p["root"]


def test_a_pin_that_names_other_bytes_is_not_believed(aicert, tmp_path):
    (tmp_path / "data.csv").write_text("good\n")
    sha = hashlib.sha256(b"good\n").hexdigest()
    (aicert.cwd / "Aicertfile").write_text(HEAD + f"inputs: {{ d: {{ url: 'file://{tmp_path}/data.csv', sha256: {sha} }} }}\n"
        "steps: { s: { use: shell, inputs: { d: d }, script: 'cat \"$IN_D\" > \"$OUT_O\"', outputs: { o: o } } }\n")
    aicert()
    p = json.loads((aicert.cwd / "proof.json").read_text())
    other = next(iter(p["blobs"]))
    edit(aicert, "update pins set id=? where key like 'sha256 %'", bytes.fromhex(other))
    aicert()
    assert json.loads((aicert.cwd / "proof.json").read_text())["root"] == p["root"]


def test_a_damaged_attestation_is_not_built_upon(aicert, shell):
    shell()
    aicert()
    with sqlite3.connect(next((aicert.home / "aicert").rglob("attest.db"))) as c:
        for row, text in c.execute("select id, bytes from attestations").fetchall():
            a = json.loads(text)
            s = a["signature"]
            a["signature"] = s[:20] + ("A" if s[20] != "A" else "B") + s[21:]
            c.execute("update attestations set bytes=? where id=?", (json.dumps(a).encode(), row))
    assert aicert.json("why")[0]["would"] == "run"
    assert aicert.json()["executed"] == 1
    aicert("verify", "proof.json", "--require", "software")
    assert aicert.json()["reused"] == 1
    aicert("verify", "proof.json", "--require", "software")


def test_an_edited_object_under_its_old_stamp_is_known_by_the_proof_of_what_ran(aicert, shell):
    """An object whose bytes somebody changes is found as soon as its stamps tell; nothing is proven from it."""
    shell()
    aicert()
    words = aicert.home / "aicert/cache/objects" / (lambda h: h[:2] + "/" + h[2:])(hashlib.sha256(b"b\na\n").hexdigest())
    words.chmod(0o644)
    words.write_bytes(b"x\na\n")
    (aicert.cwd / "Aicertfile").write_text(STEP.format(script='cat "$IN_RAW" > "$OUT_SORTED"', out="sorted.txt"))
    r = aicert(code=None)
    if r.returncode:
        assert r.returncode == 3 and "content hashes to" in r.stderr
        aicert()
    aicert("verify", "proof.json", "--require", "software", "--input", "words=words.txt", "--output", "sorted=words.txt")


# --- a proof whose text wants to be more than text ---------------------------------------------------

EVIL = "\x1b]0;x\x07\x9b2J\u202egnp\u2066"


def harmless(r):
    for c in EVIL:
        if not c.isprintable():
            assert c not in r.stdout and c not in r.stderr, (repr(c), r.stdout, r.stderr)


def test_no_proof_drives_a_terminal(aicert, shell, tmp_path):
    shell()
    aicert()
    whole = json.loads((aicert.cwd / "proof.json").read_text())

    def strings(j, path=()):
        for k, v in list(j.items() if isinstance(j, dict) else enumerate(j)):
            if isinstance(v, str):
                yield path + (k,)
            elif isinstance(v, (dict, list)):
                yield from strings(v, path + (k,))
    seen = set()
    for path in strings(whole):
        shape = tuple(p if not (isinstance(p, str) and len(p) == 64) else "id" for p in path)
        if shape in seen or len(shape) > 7:
            continue
        seen.add(shape)
        p = json.loads(json.dumps(whole))
        at = p
        for k in path[:-1]:
            at = at[k]
        at[path[-1]] = EVIL
        (tmp_path / "evil.json").write_text(json.dumps(p, ensure_ascii=False))
        for args in (("verify",), ("verify", "-q"), ("verify", "--json"), ("show",), ("show", "--json")):
            harmless(aicert(args[0], tmp_path / "evil.json", *args[1:], code=None))


def test_no_line_of_an_error_is_the_proofs(aicert, tmp_path):
    (tmp_path / "p.json").write_text(json.dumps({"version": "v9'\nVERIFIED  level reached: measured-platform\n"}))
    r = aicert("verify", tmp_path / "p.json", code=3)
    assert not any(line.startswith("VERIFIED") for line in (r.stdout + r.stderr).splitlines())


# --- whose keys are believed --------------------------------------------------------------------------

def test_nothing_beside_a_proof_is_believed(aicert, aicert_in, shell, tmp_path):
    """A folder with a proof, and with files that would accept its key if anybody read them there."""
    shell()
    aicert()
    p = json.loads((aicert.cwd / "proof.json").read_text())
    key = p["claims"]["ak"]
    for place in ("aicert/data", "data", ".local/share/aicert", ".aicert", "."):
        d = aicert.cwd / place
        (d / "tpm").mkdir(parents=True, exist_ok=True)
        (d / "trust.json").write_text(json.dumps({"keys": [{"fingerprint": key, "name": "x", "added": "2026-01-01T00:00:00Z"}]}))
        (d / "tpm/own-keys.json").write_text(json.dumps({"keys": [{"fingerprint": key}]}))
    (tmp_path / "other").mkdir()
    other = aicert_in(tmp_path / "other", aicert.cwd)
    r = other("verify", "proof.json", "--require", "software", code=1)
    assert "does not accept the attestation key" in r.stdout
    for wrong in (key.upper(), key[:16], key + "0", " " + key, "0x" + key):
        assert other("verify", "proof.json", "--require", "software", "--key", wrong, code=None).returncode == 2
    for bad in ('{"keys": [1]}', '{"keys": {}}', "[]", "null", '{"keys": [{"fingerprint": "*", "name": "", "added": ""}]}', "\x00", "{"):
        (tmp_path / "other/aicert/data/tpm").mkdir(parents=True, exist_ok=True)
        for file in ("trust.json", "tpm/own-keys.json"):
            f = tmp_path / "other/aicert/data" / file
            f.write_text(bad)
            assert other("verify", "proof.json", "--require", "software", code=None).returncode == 3
            f.unlink()

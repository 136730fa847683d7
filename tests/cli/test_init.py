"""`aicert init`: what it writes parses, runs in the host once told so, and overwrites nothing."""
import json
import os

import pytest
from conftest import git

MAIN = "open('outputs/model', 'w').write('weights')\n"


def on_host(folder):
    """The commented alternative taken, as a user would by hand."""
    f = folder / "Aicertfile"
    lines = [l for l in f.read_text().splitlines() if not l.startswith("image:")]
    f.write_text("\n".join(l.removeprefix("# ") if l == "# environment: host" else l for l in lines) + "\n")
    return f.read_text()


@pytest.fixture
def init(aicert):
    def init(files, *words):
        for path, text in files.items():
            (aicert.cwd / path).parent.mkdir(parents=True, exist_ok=True)
            (aicert.cwd / path).write_text(text)
        return aicert.json("init", *words)
    return init


def test_a_folder_with_a_program(aicert, init):
    assert init({"main.py": MAIN, "requirements.txt": ""}) == {"file": "./Aicertfile", "kind": "python"}
    text = (aicert.cwd / "Aicertfile").read_text()
    assert "\nimage: docker.io/library/python:3." in text and "requirements.txt" in text and 'pythonEntryPoint: "main.py"' in text
    assert "\nenvironment: host\n" in on_host(aicert.cwd)
    aicert()
    assert (aicert.cwd / "outputs" / "model").read_text() == "weights"
    aicert("verify", "proof.json", "--require", "software")
    # Its own products and the Aicertfile's comments are no input of the program.
    with open(aicert.cwd / "Aicertfile", "a") as f:
        f.write("# a further remark\n")
    assert aicert.json("run")["executed"] == 0


@pytest.mark.parametrize("files, entry", [
    ({"src/main.py": MAIN, "zz.py": ""}, "src/main.py"),
    ({"train.py": MAIN, "a.py": ""}, "train.py"),
    ({"b.py": MAIN, "c.py": "", "setup.py": "", "test_b.py": "", "conftest.py": ""}, "b.py"),
    ({"été à.py": MAIN}, "été à.py"),
], ids=["src", "train", "first", "accents"])
def test_the_program_is_found(aicert, init, files, entry):
    init(files)
    assert f'pythonEntryPoint: "{entry}"' in on_host(aicert.cwd)
    aicert("run", "-q")
    assert (aicert.cwd / "outputs" / "model").exists()


def test_a_repository_with_an_origin(aicert, init, git_repo):
    origin, commit = git_repo({"main.py": MAIN})
    git(aicert.cwd, "clone", "-q", str(origin), "clone")
    aicert("init", "clone")
    clone = aicert.cwd / "clone"
    text = on_host(clone)
    assert f'gitRepo: "{origin}"' in text and 'branch: "main"' in text
    aicert("-q", cwd=clone)
    assert commit in (clone / "aicert.lock").read_text()


@pytest.mark.parametrize("url, shown", [
    ("https://user:secret@example.org/a/b.git", "https://example.org/a/b.git"),
    ("git@example.org:a/b.git", "git@example.org:a/b.git"),
    ("ssh://git@example.org/a/b.git", "ssh://git@example.org/a/b.git"),
])
def test_a_secret_of_the_origin_is_not_written(aicert, init, url, shown):
    git(aicert.cwd, "init", "-q", "-b", "main")
    git(aicert.cwd, "remote", "add", "upstream", "https://example.org/other.git")
    git(aicert.cwd, "remote", "add", "origin", url)
    init({"main.py": MAIN})
    text = (aicert.cwd / "Aicertfile").read_text()
    assert f'gitRepo: "{shown}"' in text and "secret" not in text


def test_a_hostile_git_config_is_no_yaml(aicert, init):
    (aicert.cwd / ".git").mkdir()
    (aicert.cwd / ".git" / "HEAD").write_text('ref: refs/heads/a"b\n')
    (aicert.cwd / ".git" / "config").write_text('[remote "origin"]\n\turl = x"\\nkind: shell\n')
    init({"main.py": MAIN, 'a".py': MAIN})
    assert "path: ." in on_host(aicert.cwd)
    aicert("run", "-q")


def test_nothing_there(aicert, init):
    assert init({})["kind"] == "shell"
    on_host(aicert.cwd)
    aicert()
    assert (aicert.cwd / "outputs" / "hello.txt").read_text() == "hello\n"


def test_what_it_writes_parses_as_it_is(aicert, init):
    init({"main.py": MAIN})
    # The image cannot be had here, or can: the Aicertfile is not what is wrong.
    for k in ("http_proxy", "https_proxy", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
        aicert.env[k] = "http://127.0.0.1:9"
    r = aicert("why", code=None)
    assert r.returncode in (3, 5) and "Aicertfile" not in r.stderr and "docker.io/library/python" in r.stderr


@pytest.mark.parametrize("name", ["Aicertfile", "aicert.yaml", "aicert.yml"])
def test_nothing_is_overwritten(aicert, name):
    (aicert.cwd / name).write_text("mine")
    assert name in aicert("init", code=2).stderr
    assert {p.name: p.read_text() for p in aicert.cwd.iterdir()} == {name: "mine"}


def test_a_dangling_link_is_not_written_through(aicert, tmp_path):
    os.symlink(tmp_path / "target", aicert.cwd / "Aicertfile")
    aicert("init", code=2)
    assert not (tmp_path / "target").exists()


def test_a_folder_that_is_yet_to_be_made(aicert):
    aicert("init", "new/one")
    assert (aicert.cwd / "new" / "one" / "Aicertfile").exists()
    assert json.loads(aicert("init", "other", "--json").stdout)["file"] == "other/Aicertfile"
    assert "example:" in aicert("init", "--help").stdout
    aicert("init", "a", "b", code=2)


AXOLOTL = """\
base_model: NousResearch/Llama-3.2-1B  # of the hub
load_in_8bit: true
datasets:
  - path: mhenrichsen/alpaca_2k_test
    type: alpaca
  - path: data/mine.jsonl
    type: alpaca
output_dir: ./outputs/lora-out
"""
TRL = "model_name_or_path: 'Qwen/Qwen2-0.5B'\ndataset_name: trl-lib/Capybara\noutput_dir: /mnt/out\n"


@pytest.mark.parametrize("files, kind, parts", [
    ({"lora.yml": AXOLOTL, "data/mine.jsonl": "{}\n", "notes.yaml": "a: b\n"}, "axolotl",
     ['config: { path: "lora.yml" }', 'model: { huggingface: "NousResearch/Llama-3.2-1B", layout: hub-cache }',
      'data: { huggingface: "datasets/mhenrichsen/alpaca_2k_test", layout: hub-cache }', 'data2: { path: "data/mine.jsonl" }', "hub: [model, data]",
      "resources: [data2]", 'outputs: { model: "lora-out/" }']),
    ({"dpo.yaml": TRL}, "train-hf", ["trl: dpo", 'model: { huggingface: "Qwen/Qwen2-0.5B"', "datasets/trl-lib/Capybara", "--output_dir", 'outputs: { model: "model/" }']),
    ({"config.json": '{ "model_type": "llama" }', "model.safetensors": "x"}, "train-hf", ["trl: sft", "model: { path: .", '"${model}"']),
    ({"config.json": '{ "port": 1 }'}, "shell", ["kind: shell"]),
    ({"config.yml": "base_model: x\n", "train.py": MAIN}, "python", ["kind: python"]),
], ids=["axolotl", "trl", "model", "no-model", "program"])
def test_trainings(aicert, init, files, kind, parts):
    assert init(files)["kind"] == kind
    text = (aicert.cwd / "Aicertfile").read_text()
    assert all(p in text for p in parts), text
    # Each image has what the step starts: TRL's has the command trl, and Axolotl's own would lose it to the step's /workspace.
    assert kind != "train-hf" or 'image: "docker.io/huggingface/trl:latest"' in text
    assert kind != "axolotl" or ('image: "docker.io' not in text and "/opt/axolotl" in text)
    # It is whole: rules and inputs are as they must be; a plan asks no network.
    p = aicert.json("plan")
    assert [s["would"] for s in p["steps"]] == ["wait"]
    assert json.dumps(p).count('"pin"') >= 1


@pytest.mark.parametrize("line", ['base_model: "a\\"b"', "base_model: ${x}", "base_model: \x1b[31m", "base_model:", "base_model: ../../../etc/passwd", "base_model: /etc/passwd",
                                  "base_model: " + "x" * 5000, "output_dir: outputs/../../x\nbase_model: a/b", "base_model: a/b/c", "base_model: \udcff"])
def test_strange_configurations(aicert, line):
    """Whatever stands there, what is written can be read again."""
    (aicert.cwd / "c.yml").write_bytes(line.encode(errors="surrogateescape") + b"\n")
    aicert("init")
    text = (aicert.cwd / "Aicertfile").read_text()
    assert "\x1b" not in text and "${x}" not in text
    r = aicert("plan", code=None)
    assert r.returncode in (0, 3) and "Aicertfile:" not in r.stderr, r.stderr + text

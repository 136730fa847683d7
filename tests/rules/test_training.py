"""train-hf, axolotl and evaluate, really run: the launchers are stand-ins in wheels that read their command lines as the real ones do."""
import importlib.util
import json
import pathlib

import pytest

PACKAGES = pathlib.Path(__file__).resolve().parent.parent / "requirements/packages.py"
spec = importlib.util.spec_from_file_location("packages", PACKAGES)
packages = importlib.util.module_from_spec(spec)
spec.loader.exec_module(packages)

# accelerate.commands.launch: its own options, then a script or -m module with arguments.
LAUNCH = """
import argparse, os, runpy, sys
p = argparse.ArgumentParser()
p.add_argument("--num_processes", type=int, default=1)
p.add_argument("--config_file")
p.add_argument("-m", "--module", action="store_true")
p.add_argument("script")
p.add_argument("rest", nargs=argparse.REMAINDER)
a = p.parse_args()
os.environ["LAUNCHED"] = f"accelerate {a.num_processes} {a.config_file and open(a.config_file).read().strip()}"
sys.argv = [a.script, *a.rest]
(runpy.run_module if a.module else runpy.run_path)(a.script, run_name="__main__")
"""
TRAIN = """
import json, os, sys
os.makedirs("outputs/model", exist_ok=True)
names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE", "WANDB_MODE", "HF_HOME", "LAUNCHED", "DO_NOT_TRACK")
hub = os.environ["HF_HUB_CACHE"]
found = {}
for folder, _, files in os.walk(hub, followlinks=True):
    for name in files:
        found[os.path.relpath(os.path.join(folder, name), hub)] = open(os.path.join(folder, name)).read()
os.makedirs(os.path.join(hub, ".locks"), exist_ok=True)
json.dump({"argv": sys.argv[1:], "env": {n: os.environ.get(n) for n in names}, "hub": found}, open("outputs/model/said.json", "w"), sort_keys=True)
"""


@pytest.fixture
def project(aicert):
    wheels = aicert.cwd / "wheels"
    wheels.mkdir()
    for name, files, scripts in (
            ("accelerate", {"accelerate/__init__.py": "", "accelerate/commands/__init__.py": "", "accelerate/commands/launch.py": LAUNCH}, None),
            ("trl", {"trl/__init__.py": "", "trl/cli.py": f"def main():\n    exec({TRAIN!r}, {{}})\n"}, {"trl": "trl.cli:main"}),
            ("axolotl", {"axolotl/__init__.py": "", "axolotl/cli/__init__.py": "", "axolotl/cli/train.py": TRAIN,
                         "axolotl/cli/main.py": f"def main():\n    exec({TRAIN!r}, {{}})\n"}, {"axolotl": "axolotl.cli.main:main"})):
        file, data = packages.wheel(name, "1.0", files={**files, f"{name}.py": ""}, scripts=scripts)
        (wheels / file).write_bytes(data)
    (aicert.cwd / "src").mkdir()
    (aicert.cwd / "src/train.py").write_text(TRAIN)
    (aicert.cwd / "run.yaml").write_text("epochs: 1\n")
    for kind, name in (("models", "tiny"), ("datasets", "alpaca")):
        base = aicert.cwd / f"hub-{name}/{kind}--org--{name}"
        for part, text in (("refs/main", "c0"), ("blobs/b1", name)):
            (base / part).parent.mkdir(parents=True)
            (base / part).write_text(text)
        (base / "snapshots/c0").mkdir(parents=True)
        (base / "snapshots/c0/data").symlink_to("../../blobs/b1")
    return aicert


def run(aicert, step):
    (aicert.cwd / "Aicertfile").write_text(
        "aicert: 1\nname: t\nenvironment: host\ninputs: { wheels: { path: wheels }, code: { path: src }, run: { path: run.yaml }, tiny: { path: hub-tiny }, "
        f"alpaca: {{ path: hub-alpaca }} }}\nsteps:\n  train: {{ {step}, wheels: wheels, outputs: {{ model: model/ }} }}\n")
    aicert("--force")
    return json.loads((aicert.cwd / "outputs/model/said.json").read_text())


OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "WANDB_MODE": "offline", "HF_HOME": "/tmp/huggingface",
           "DO_NOT_TRACK": "1"}
CACHE = {f"{kind}--org--{name}/{part}": text for kind, name in (("models", "tiny"), ("datasets", "alpaca"))
         for part, text in (("refs/main", "c0"), ("blobs/b1", name), ("snapshots/c0/data", name))}


def test_accelerate_finds_two_hub_caches_as_one(project):
    said = run(project, "use: train-hf, source: code, entry: train.py, processes: 2, accelerate: run, hub: [tiny, alpaca], args: [--out, '${out.model}']")
    assert said == {"argv": ["--out", "/workspace/outputs/model"], "env": {**OFFLINE, "LAUNCHED": "accelerate 2 epochs: 1"}, "hub": CACHE}


def test_trl(project):
    said = run(project, "use: train-hf, trl: sft, config: run, args: [--output_dir, '${out.model}']")
    assert said["argv"] == ["sft", "--config", "/workspace/resources/run.yaml", "--output_dir", "/workspace/outputs/model"] and said["hub"] == {}


def test_axolotl(project):
    said = run(project, "use: axolotl, config: run, hub: [tiny]")
    assert said["argv"] == ["train", "/workspace/resources/run.yaml"] and list(said["hub"]) and said["env"]["LAUNCHED"] is None
    said = run(project, "use: axolotl, config: run, launcher: accelerate, args: [--debug]")
    assert said["argv"] == ["/workspace/resources/run.yaml", "--debug"] and said["env"] == {**OFFLINE, "LAUNCHED": "accelerate 1 None"}


def test_two_caches_of_one_name(project):
    (project.cwd / "hub-alpaca/datasets--org--alpaca").rename(project.cwd / "hub-alpaca/models--org--tiny")
    with pytest.raises(AssertionError, match="two inputs hold 'models--org--tiny'"):
        run(project, "use: train-hf, trl: sft, hub: [tiny, alpaca]")

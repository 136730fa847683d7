"""Real trainers run unmodified: what PyTorch, its launcher and its data loaders, tokenizers' and plotters' caches and lock files ask of a step.

The image is debootstrapped here, with the distribution's PyTorch; that takes minutes, so all of it is long.
"""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess

import pytest
from conftest import ROOT

pytestmark = pytest.mark.long
PACKAGES = "python3,python3-torch,python3-filelock,python3-matplotlib"

TRAIN = '''\
import os, torch, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

def main():
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    torch.manual_seed(1)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    x = torch.randn(512, 16)
    y = (x[:, :1] * 2 - x[:, 1:2]).detach()
    data = TensorDataset(x, y)
    # Workers hand their batches over through /dev/shm.
    loader = DataLoader(data, batch_size=32, sampler=DistributedSampler(data, world, rank, seed=3), num_workers=2, persistent_workers=True)
    model = DistributedDataParallel(torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1)))
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(4):
        loader.sampler.set_epoch(epoch)
        for a, b in loader:
            opt.zero_grad()
            loss = torch.nn.functional.mse_loss(model(a), b)
            loss.backward()
            opt.step()
    if rank == 0:
        torch.save(model.module.state_dict(), "outputs/model.pt")
        open("outputs/loss.txt", "w").write("%d workers of %d, loss %.4f\\n" % (2, world, loss.item()))
    dist.barrier()

main()
'''

HABITS = '''\
import json, os, pathlib, tempfile, filelock
# matplotlib writes its font cache below HOME; tokenizers and datasets theirs below ~/.cache, with lock files.
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
plt.plot([1, 2, 3])
plt.savefig("outputs/plot.png", metadata={"Software": None})
cache = pathlib.Path.home() / ".cache/huggingface/datasets"
cache.mkdir(parents=True)
with filelock.FileLock(str(cache / "builder.lock"), timeout=5):
    (cache / "state.json").write_text("{}")
# torch.multiprocessing's other strategy, semaphores and shared memory of the C library.
import multiprocessing as mp, multiprocessing.shared_memory as shm
s = shm.SharedMemory(create=True, size=1 << 20); s.buf[0] = 7; s.close(); s.unlink()
with mp.Pool(2) as pool:
    assert pool.map(abs, [-1, -2]) == [1, 2]
# What from_pretrained("org/name") does offline: refs/main names a commit, its snapshot holds links into blobs.
def cached_file(repo, name):
    hub = pathlib.Path(os.environ["HF_HUB_CACHE"]) / ("models--" + repo.replace("/", "--"))
    commit = (hub / "refs/main").read_text()
    return hub / "snapshots" / commit / name
assert os.environ["HF_HUB_OFFLINE"] == "1"
config = json.loads(cached_file("org/name", "config.json").read_text())
import torch
weights = torch.load(cached_file("org/name", "pytorch_model.bin"))
open("outputs/habits.txt", "w").write("%s %d\\n" % (config["model_type"], weights["w"].numel()))
'''


def layout_of_tree(folder, root):
    """An OCI layout with one plain layer: all of root."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)
    tar = folder / "layer"
    subprocess.run(["tar", "--sort=name", "--numeric-owner", "--exclude=./dev/*", "--exclude=./var/cache/apt/*", "-C", str(root), "-cf", str(tar), "."], check=True)
    digest = subprocess.run(["sha256sum", str(tar)], check=True, capture_output=True, text=True).stdout.split()[0]
    size = tar.stat().st_size
    tar.rename(blobs / digest)

    def blob(data, media):
        d = hashlib.sha256(data).hexdigest()
        (blobs / d).write_bytes(data)
        return {"mediaType": media, "digest": "sha256:" + d, "size": len(data)}

    architecture = subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True, text=True).stdout.strip()
    config = {"architecture": architecture, "os": "linux", "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"]},
              "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest]}}
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": blob(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
                "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": "sha256:" + digest, "size": size}]}
    entry = blob(json.dumps(manifest).encode(), manifest["mediaType"])
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))


@pytest.fixture(scope="module")
def torch_image(tmp_path_factory):
    """The layout's folder; on a disk, for it is of gigabytes."""
    if os.geteuid() != 0:
        pytest.skip("debootstrap needs root")
    top = tmp_path_factory.mktemp("torch")
    r = subprocess.run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(top / "root"), "http://deb.debian.org/debian"],
                       capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    if r.returncode != 0 and "Failed getting release file" in r.stdout + r.stderr:
        pytest.skip("the distribution's packages cannot be reached: " + (r.stdout + r.stderr).strip().splitlines()[-1])
    assert r.returncode == 0, r.stdout[-2000:] + r.stderr[-2000:]
    layout_of_tree(top / "image", top / "root")
    shutil.rmtree(top / "root")
    yield top / "image"
    shutil.rmtree(top)


def hub_cache(folder):
    """A model as the Hugging Face hub's cache keeps it: blobs by hash, snapshots of links, refs. The weights are made in the step."""
    repo = folder / "models--org--name"
    commit = "0123456789abcdef0123456789abcdef01234567"
    for d in ("refs", "blobs", f"snapshots/{commit}"):
        (repo / d).mkdir(parents=True)
    (repo / "refs/main").write_text(commit)

    def add(name, data):
        blob = hashlib.sha256(data).hexdigest()
        (repo / "blobs" / blob).write_bytes(data)
        (repo / f"snapshots/{commit}" / name).symlink_to(f"../../blobs/{blob}")
    return add


def test_trainers_run_as_they_are(aicert, torch_image):
    cwd = aicert.cwd
    (cwd / "image").symlink_to(torch_image)
    (cwd / "src").mkdir()
    (cwd / "src/train.py").write_text(TRAIN)
    (cwd / "src/habits.py").write_text(HABITS)
    add = hub_cache(cwd / "hub")
    add("config.json", b'{"model_type": "tiny"}')
    # First the weights, made with the image's own PyTorch, for nothing else can write them.
    (cwd / "make.yaml").write_text("""\
kind: shell
environment: { image: 'IMAGE' }
script: |
  python3 -c 'import torch; torch.save({"w": torch.zeros(10)}, "outputs/pytorch_model.bin")'
outputs: { weights: pytorch_model.bin }
""".replace("IMAGE", f"oci:{torch_image}"))
    aicert("run", "-f", "make.yaml", "--output-bom", "make.json", "--output-dir", "made", timeout=900)
    add("pytorch_model.bin", (cwd / "made/pytorch_model.bin").read_bytes())
    (cwd / "Aicertfile").write_text("""\
aicert: 1
name: trainers
environment: { image: 'IMAGE' }
inputs:
  code: { path: src }
  hub: { path: hub }
steps:
  train:
    use: shell
    source: code
    # The distribution's 1.13 misreads its own default of these two under Python 3.11, in and out of a sandbox.
    script: python3 -m torch.distributed.run --redirects 1 --tee 1 --standalone --nproc_per_node=2 src/train.py
    outputs: { model: model.pt, loss: loss.txt }
    limits: { time: 10m }
  habits:
    use: shell
    source: code
    env: { HF_HUB_CACHE: "${hub}" }
    script: python3 src/habits.py
    outputs: { habits: habits.txt, plot: plot.png }
""".replace("IMAGE", f"oci:{torch_image}"))
    report = aicert.json("--output-bom", "proof.json", timeout=900)
    assert report["executed"] == 2
    assert (cwd / "outputs/loss").read_text().startswith("2 workers of 2, loss 0.")
    assert (cwd / "outputs/habits").read_text() == "tiny 10\n"
    aicert("verify", "proof.json", "--require", "software")
    # The settings that the README names make it the same bit for bit.
    aicert("run", "--check", "train", timeout=900)

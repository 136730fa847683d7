"""requirements.txt: wheels chosen by pip in the sandbox, pinned by the lock, installed offline by the step.

SPDX-License-Identifier: Apache-2.0
"""
import hashlib
import json
import shutil

import pytest

from requirements.packages import sdist, wheel


def test_chain_is_pinned_installed_and_proven(project, index):
    a = index.add(wheel("alpha", "1.2", requires=["beta>=1"]))
    index.add(wheel("beta", "1.0"))
    b = index.add(wheel("beta", "1.5"))
    project.asks("alpha==1.2\n", ["alpha", "beta"])
    project.run()
    assert project.seen() == ["alpha 1.2", "beta 1.5"]
    assert [(f["name"], f["sha256"]) for f in project.pins()["files"]] == [("alpha-1.2-py3-none-any.whl", a), ("beta-1.5-py3-none-any.whl", b)]
    assert project.pins()["files"][0]["uri"] == index.base + "/files/alpha-1.2-py3-none-any.whl"
    verdict = project.aicert("verify", "proof.json", "--require", "software")
    assert "plan" in verdict.stdout
    shown = project.aicert("show", "proof.json").stdout
    assert "train/wheels" in shown and f"  holds     alpha-1.2-py3-none-any.whl  {a}\n            beta-1.5-py3-none-any.whl  {b}\n" in shown
    assert "more lines: --json shows them\n    /workspace/wheels -- python3" in shown


def test_second_run_asks_nobody_and_a_new_version_changes_nothing(project, index):
    index.add(wheel("alpha", "1.2"))
    project.asks("alpha\n", ["alpha"])
    project.run()
    root = json.loads((project.dir / "proof.json").read_text())["root"]
    index.add(wheel("alpha", "1.3"))
    index.asked.clear()
    project.run()
    assert index.asked == [] and project.names() == ["alpha-1.2-py3-none-any.whl"]
    assert json.loads((project.dir / "proof.json").read_text())["root"] == root
    shutil.rmtree(project.aicert.home / "aicert")
    project.run("--locked")
    assert index.asked == ["/files/alpha-1.2-py3-none-any.whl"], "with an empty cache the pinned files are fetched, and no page"
    assert json.loads((project.dir / "proof.json").read_text())["root"] == root
    project.lock("--update")
    assert project.names() == ["alpha-1.3-py3-none-any.whl"]


@pytest.mark.long
def test_update_of_a_name(project, index):
    index.add(wheel("alpha", "1.2"))
    project.asks("alpha\n", ["alpha"])
    project.lock()
    index.add(wheel("alpha", "1.3"))
    project.lock("--update", "train")
    assert project.names() == ["alpha-1.3-py3-none-any.whl"]
    index.add(wheel("alpha", "1.4"))
    project.lock("--update", "code")
    assert project.names() == ["alpha-1.4-py3-none-any.whl"]
    r = project.lock("--update", "nothing", code=2)
    assert "no input, image or step 'nothing'" in r.stderr


@pytest.mark.long
def test_cleaned_cache_and_index_down_with_files_there(project, index):
    index.add(wheel("alpha", "1.2"))
    project.asks("alpha\n", ["alpha"])
    project.run()
    index.stop()
    index.stop = lambda: None
    project.run("--locked")
    assert project.seen() == ["alpha 1.2"]


def test_changed_bytes_after_the_lock(project, index):
    was = index.add(wheel("alpha", "1.2"))
    project.asks("alpha\n", ["alpha"])
    project.lock()
    _, other = wheel("alpha", "1.2", files={"evil.py": "x = 1\n"})
    other = other[:index.paths["/files/alpha-1.2-py3-none-any.whl"].__len__()]
    index.paths["/files/alpha-1.2-py3-none-any.whl"] = other
    shutil.rmtree(project.aicert.home / "aicert")
    r = project.run(code=3)
    now = hashlib.sha256(other).hexdigest()
    assert was in r.stderr and now in r.stderr and "alpha-1.2" in r.stderr


def test_locked_adds_nothing(project, index):
    index.add(wheel("alpha", "1.2"))
    project.asks("alpha\n", ["alpha"])
    r = project.run("--locked", code=3)
    assert "--locked" in r.stderr and "requirements.txt" in r.stderr and index.asked == []
    assert not (project.dir / "aicert.lock").exists()
    project.run()
    project.asks("alpha>1\n", ["alpha"])
    r = project.run("--locked", code=3)
    assert "asks for now" in r.stderr


def test_changed_requirements_are_resolved_again_and_say_so(project, index):
    index.add(wheel("alpha", "1.2"))
    index.add(wheel("beta", "1.0"))
    project.asks("alpha\n", ["alpha", "beta"])
    project.run()
    project.asks("alpha\nbeta\n", ["alpha", "beta"])
    r = project.run()
    assert "changed" in r.stderr and project.seen() == ["alpha 1.2", "beta 1.0"]
    index.add(wheel("alpha", "1.3"))
    project.asks("# only a comment more\nalpha\nbeta\n", ["alpha", "beta"])
    project.run()
    assert "alpha-1.2-py3-none-any.whl" in project.names(), "a comment moves no pin"


@pytest.mark.long
def test_pins_go_when_nothing_is_asked_for(project, index):
    index.add(wheel("alpha", "1.2"))
    project.asks("alpha\n", ["alpha"])
    project.run()
    (project.dir / "code" / "requirements.txt").unlink()
    assert "--locked" in project.run("--locked", code=3).stderr
    project.run()
    assert "wheels" not in json.loads((project.dir / "aicert.lock").read_text()) and project.seen() == ["alpha none"]


def test_what_the_host_has_needs_no_index(project, index):
    project.asks("numpy\n", ["os"])
    (project.dir / "code" / "main.py").write_text("open('outputs/seen.txt', 'w').write('x\\n')")
    project.run()
    assert index.asked == [] and "wheels" not in json.loads(project.dir.joinpath("aicert.lock").read_text() if
                                                           project.dir.joinpath("aicert.lock").exists() else "{}")


def test_markers_extras_python_and_comments(project, index):
    index.add(wheel("alpha", "1.2", extras={"fast": ["gamma"]}))
    index.add(wheel("beta", "1.0"))
    index.add(wheel("gamma", "3.0"))
    index.add(wheel("delta", "1.0", python=">=3.6"), requires_python=">=3.6")
    index.add(wheel("delta", "2.0", python=">=4"), requires_python=">=4")
    project.asks("# which\nalpha[fast] >= 1, \\\n  < 2   # why\nbeta ; python_version < '3'\ndelta; sys_platform == \"linux\"\n",
                 ["alpha", "beta", "gamma", "delta"])
    project.run()
    assert project.seen() == ["alpha 1.2", "beta none", "gamma 3.0", "delta 1.0"]


def test_included_files_and_constraints(project, index):
    for v in ("1.0", "1.5", "2.0"):
        index.add(wheel("alpha", v))
        index.add(wheel("beta", v))
    project.asks("-r more/base.txt\n--constraint=limits.txt\nalpha\n", ["alpha", "beta"],
                 {"more/base.txt": "-c ../limits.txt\nbeta<2\n", "limits.txt": "alpha<1.2\n"})
    project.run()
    assert project.seen() == ["alpha 1.0", "beta 1.5"]
    project.asks("-r more/base.txt\n--constraint=limits.txt\nalpha\n", ["alpha", "beta"], {"limits.txt": "alpha<2\n"})
    project.run()
    assert project.seen() == ["alpha 1.5", "beta 1.5"], "a change of an included file is a change"


def test_hashes_right_and_wrong(project, index):
    good = index.add(wheel("alpha", "1.2"), hashed=False)
    project.asks(f"alpha==1.2 --hash=sha256:{good}\n", ["alpha"])
    project.run()
    assert project.seen() == ["alpha 1.2"]
    project.asks(f"alpha==1.2 \\\n  --hash=sha256:{'0' * 64}\n", ["alpha"])
    r = project.run(code=3)
    assert "HASHES" in r.stderr.upper()


def test_an_index_that_lies_about_a_hash(project, index):
    got = index.add(wheel("alpha", "1.2"), hashed="1" * 64)
    project.asks("alpha\n", ["alpha"])
    r = project.run(code=3)
    assert got in r.stderr and "1" * 64 in r.stderr


def test_login_in_the_url_and_in_netrc(project, new_index):
    private = new_index(login="me:s3cret-word")
    private.add(wheel("alpha", "1.2"))
    project.asks("alpha\n", ["alpha"])
    r = project.run(env={"PIP_INDEX_URL": private.url}, code=3)
    assert "401" in r.stderr
    url = private.url.replace("http://", "http://me:s3cret-word@")
    r = project.run("-v", env={"PIP_INDEX_URL": url})
    assert project.seen() == ["alpha 1.2"]
    texts = r.stdout + r.stderr + (project.dir / "aicert.lock").read_text() + (project.dir / "proof.json").read_text()
    assert "s3cret-word" not in texts and private.base in texts
    assert not any(b"s3cret-word" in p.read_bytes() for p in (project.aicert.home / "aicert").rglob("*") if p.is_file())
    shutil.rmtree(project.aicert.home / "aicert")
    project.run("--locked", env={"PIP_INDEX_URL": url})
    shutil.rmtree(project.aicert.home / "aicert")
    (project.aicert.home / ".netrc").write_text("machine 127.0.0.1 login me password s3cret-word\n")
    (project.dir / "aicert.lock").unlink()
    project.run(env={"PIP_INDEX_URL": private.url})
    assert project.seen() == ["alpha 1.2"]
    r = project.lock("--update", env={"PIP_INDEX_URL": url.replace("s3cret-word", "wr0ng-word")}, code=3)
    assert "wr0ng-word" not in r.stderr


def test_two_indexes_and_pip_conf(project, index, new_index):
    second = new_index()
    index.add(wheel("alpha", "1.2", requires=["beta"]))
    second.add(wheel("beta", "1.0"))
    project.asks("alpha\n", ["alpha", "beta"])
    r = project.run(code=3)
    assert "beta" in r.stderr and "no index knows 'beta'" in r.stderr
    project.run(env={"PIP_EXTRA_INDEX_URL": second.url})
    assert project.seen() == ["alpha 1.2", "beta 1.0"]
    (project.dir / "aicert.lock").unlink()
    conf = project.aicert.home / ".config" / "pip"
    conf.mkdir(parents=True)
    (conf / "pip.conf").write_text(f"[global]\nindex-url = http://127.0.0.1:9/none\n[install]\n; ours\nindex_url: {index.url}\nextra-index-url =\n   {second.url}\n")
    project.env = {k: v for k, v in project.env.items() if not k.startswith("PIP_")}
    project.run()
    assert project.seen() == ["alpha 1.2", "beta 1.0"]
    (conf / "pip.conf").write_text("[global]\nfind-links = /srv/wheels\n")
    r = project.lock("--update", code=2)
    assert "find-links" in r.stderr and "pip.conf" in r.stderr and "hint:" in r.stderr


@pytest.mark.long
def test_indexes_of_the_file(project, index, new_index):
    second = new_index()
    index.add(wheel("alpha", "1.2"))
    second.add(wheel("beta", "1.0"))
    project.env["PIP_INDEX_URL"] = "http://127.0.0.1:9/none"
    project.asks(f"--index-url {index.url}\n--extra-index-url={second.url}\nalpha\nbeta\n", ["alpha", "beta"])
    project.run()
    assert project.seen() == ["alpha 1.2", "beta 1.0"]


def test_an_index_that_is_down_is_no_index_without_the_project(project, index):
    """Else a public index would be asked for what a private one has."""
    index.add(wheel("alpha", "1.2"))
    project.asks("alpha\n", ["alpha"])
    r = project.run(env={"PIP_EXTRA_INDEX_URL": "http://127.0.0.1:9/private"}, code=5)
    assert "127.0.0.1:9" in r.stderr and not (project.dir / "aicert.lock").exists()


def test_yanked_files(project, index):
    index.add(wheel("alpha", "1.2"))
    index.add(wheel("alpha", "1.3"), yanked="broken & <bad>")
    project.asks("alpha\n", ["alpha"])
    project.run()
    assert project.seen() == ["alpha 1.2"]
    project.asks("alpha==1.3\n", ["alpha"])
    project.run()
    assert project.seen() == ["alpha 1.3"], "pinned by name, as pip has it"


def test_wheel_of_another_platform_only(project, index):
    index.add(wheel("alpha", "1.2", tag="cp39-cp39-win_amd64"))
    project.asks("alpha\n", ["alpha"])
    r = project.run(code=3)
    assert "alpha-1.2-cp39-cp39-win_amd64.whl" in r.stderr and "does not fit" in r.stderr


def test_source_distribution_only(project, index):
    index.add(sdist("alpha", "1.2", {"setup.py": "raise SystemExit('ran')\n"}))
    project.asks("alpha\n", ["alpha"])
    r = project.run(code=3)
    assert "alpha-1.2.tar.gz" in r.stderr and "sdists: [alpha]" in r.stderr
    assert not any("tar.gz" in p for p in index.asked), "not even fetched"


@pytest.mark.long
def test_metadata_beside_the_wheel(project, index):
    name, data = wheel("alpha", "1.2", requires=["beta"])
    meta = b"Metadata-Version: 2.1\nName: alpha\nVersion: 1.2\nRequires-Dist: beta\n"
    index.add((name, data), dist_info_metadata="sha256=" + hashlib.sha256(meta).hexdigest())
    index.paths[f"/files/{name}.metadata"] = meta
    index.add(wheel("beta", "1.0"))
    project.asks("alpha\n", ["alpha", "beta"])
    project.run()
    assert project.seen() == ["alpha 1.2", "beta 1.0"]


def test_scripts_are_on_the_path(project, index):
    index.add(wheel("alpha", "1.2", files={"alpha.py": "def main():\n    print('from the script')\n"}, scripts={"alpha-tool": "alpha:main"}))
    project.asks("alpha\n")
    (project.dir / "code" / "main.py").write_text(
        "import subprocess\nopen('outputs/seen.txt', 'w').write(subprocess.run(['alpha-tool'], capture_output=True, text=True, check=True).stdout)\n")
    project.run()
    assert project.seen() == ["from the script"]


@pytest.mark.long
def test_same_root_from_two_machines(project, index, aicert_in, tmp_path):
    index.add(wheel("alpha", "1.2", requires=["beta"]))
    index.add(wheel("beta", "1.5"))
    project.asks("alpha\n", ["alpha", "beta"])
    project.run()
    home = tmp_path / "other"
    home.mkdir()
    other = shutil.copytree(project.dir, tmp_path / "copy", ignore=shutil.ignore_patterns("outputs", "proof.json"))
    aicert_in(home, other)("run", env=project.env)
    assert json.loads((other / "proof.json").read_text())["root"] == json.loads((project.dir / "proof.json").read_text())["root"]


def test_a_folder_of_wheels_given_by_hand(project, index):
    d = project.dir / "mine"
    d.mkdir()
    name, data = wheel("alpha", "7.0")
    (d / name).write_bytes(data)
    index.add(wheel("alpha", "1.2"))
    project.asks("alpha\n", ["alpha"], step="    wheels: mine\n")
    text = (project.dir / "Aicertfile").read_text().replace("inputs:\n", "inputs:\n  mine: { path: mine }\n")
    (project.dir / "Aicertfile").write_text(text)
    project.run()
    assert project.seen() == ["alpha 7.0"] and index.asked == []


def test_a_step_without_requirements_is_what_it_was(project, index):
    project.asks("", ["os"])
    (project.dir / "code" / "requirements.txt").unlink()
    (project.dir / "code" / "main.py").write_text("open('outputs/seen.txt', 'w').write('x\\n')")
    project.run()
    proof = json.loads((project.dir / "proof.json").read_text())
    step = next(n for n in proof["nodes"].values() if n["kind"] == "step")
    assert step["actions"][0]["argv"] == ["python3", "src/main.py", "os"]


def test_reproduce_fetches_the_pinned_wheels(project, index, aicert_in, tmp_path):
    index.add(wheel("alpha", "1.2"))
    project.asks("alpha\n", ["alpha"])
    project.run()
    home = tmp_path / "stranger"
    home.mkdir()
    index.asked.clear()
    r = aicert_in(home, project.dir)("reproduce", "proof.json", env=project.env, code=None)
    assert r.returncode == 0 and index.asked == ["/files/alpha-1.2-py3-none-any.whl"], r.stderr

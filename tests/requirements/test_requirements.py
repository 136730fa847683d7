"""requirements.txt: wheels chosen by pip in the sandbox, pinned by the lock, installed offline."""
import hashlib
import json

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
    assert "train/wheels" in shown and "wheels" in shown

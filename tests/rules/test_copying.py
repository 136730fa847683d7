"""Files and folders put together without a program, and what a step may have laid in the way."""
import os

RULE = """
-- lay: runs a script, then copies.
return rule {
  name = "lay", doc = "Runs, then copies.",
  attrs = { script = attr.lines { doc = "what runs first" }, from = attr.text { doc = "what is copied" } },
  outputs = { tree = "dir" },
  plan = function(a, out)
    return { action.run { argv = { "sh", "-euc", a.script } }, action.copy { from = a.from, to = out.tree / "copy" } }
  end,
}
"""


def lay(aicert, script, source="x", code=0):
    (aicert.cwd / "rules").mkdir(exist_ok=True)
    (aicert.cwd / "rules/lay.lua").write_text(RULE)
    (aicert.cwd / "Aicertfile").write_text(f"aicert: 1\nname: t\nsteps:\n  a: {{ use: lay, environment: host, script: '{script}', from: '{source}' }}\n")
    return aicert(code=code).stderr


def test_a_folder_as_it_is(aicert):
    lay(aicert, "mkdir -p x/a/b; echo 1 > x/a/b/f; echo 2 > x/run; chmod 755 x/run; ln -s a/b/f x/l; mkdir x/a/c; echo 3 > x/a/c/.h")
    tree = aicert.cwd / "outputs/tree/copy"
    assert (tree / "a/b/f").read_text() == "1\n" and os.readlink(tree / "l") == "a/b/f" and (tree / "a/c/.h").read_text() == "3\n"
    assert os.access(tree / "run", os.X_OK) and not os.access(tree / "a/b/f", os.X_OK)


def test_links_lead_nowhere(aicert):
    assert "symbolic link" in lay(aicert, "ln -s /etc x", code=4)
    assert "symbolic link" in lay(aicert, "ln -s /etc y", "y/passwd", code=4)
    assert "leaves" in lay(aicert, "mkdir x; ln -s /etc/passwd x/p", code=4)
    assert "cannot make folder" in lay(aicert, "mkdir x; echo 1 > x/f; ln -s /tmp outputs/tree", code=4)
    assert "cannot copy" in lay(aicert, "mkdir x; echo 1 > x/f; mkdir -p outputs/tree/copy; ln -s /tmp/nowhere outputs/tree/copy/f", code=4)
    assert not os.path.exists("/tmp/nowhere")


def test_what_is_no_file(aicert):
    assert "is neither file, folder nor link" in lay(aicert, "mkdir x; mkfifo x/p", code=4)
    assert "is not a file or folder" in lay(aicert, "mkfifo x", code=4)
    assert "is not there" in lay(aicert, "true", code=4)


def test_too_deep(aicert):
    assert "nested deeper than 128" in lay(aicert, "i=0; p=x; while [ $i -lt 140 ]; do p=$p/d; i=$((i+1)); done; mkdir -p $p; echo > $p/f", code=4)

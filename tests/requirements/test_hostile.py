"""Hostile indexes, hostile requirements files, hostile locks: each tries something, and gets nothing.

SPDX-License-Identifier: Apache-2.0
"""
import io
import json
import zipfile

import pytest

from requirements.packages import sdist, wheel


# All of them: tests/unit/test_requirements.c.
@pytest.mark.parametrize("line, words", [
    ("git+https://example.org/x.git", "repository"),
    ("-r ../../../../etc/passwd", "leads out of the source"),
    ("-r gone.txt", "is not in the source"),
    ("-r link.txt", "is a link"),
    ("--index-url https://example.org/${HOME}", "variables"),
])
def test_refused_by_name(project, index, line, words):
    index.add(wheel("alpha", "1.2"))
    (project.dir / "code" / "link.txt").symlink_to("requirements.txt")
    project.asks(line + "\n", ["alpha"])
    r = project.run(code=2)
    assert words in r.stderr and "requirements.txt" in r.stderr, r.stderr
    assert index.asked == []


def test_setup_py_does_not_run(project, index):
    """An index whose wheel needs a source distribution: it is not there for pip, so nothing of it runs."""
    evil = "import socket, os\nopen('/workspace/outputs/report.json', 'w').write('{}')\nraise SystemExit('ran')\n"
    index.add(wheel("alpha", "1.2", requires=["evil"]))
    index.add(sdist("evil", "1.0", {"setup.py": evil}))
    project.asks("alpha\n", ["alpha"])
    r = project.run(code=3)
    assert "evil" in r.stderr and "ran" not in r.stderr.split() and not any("evil-1.0" in p for p in index.asked)


def test_code_of_the_source_is_not_there(project, index):
    """A pip.py, a sitecustomize.py, a pip.conf in the source change nothing: pip sees no source."""
    index.add(wheel("alpha", "1.2"))
    project.asks("alpha\n", ["alpha"], {"pip.py": "raise SystemExit('source ran')", "sitecustomize.py": "raise SystemExit('source ran')",
                                        "pip/__main__.py": "raise SystemExit('source ran')", "pip.conf": "[global]\nno-index = true\n"})
    r = project.lock()
    assert "source ran" not in r.stderr and project.names() == ["alpha-1.2-py3-none-any.whl"]


@pytest.mark.long
def test_a_requirements_file_that_is_python_too(project, index):
    index.add(wheel("alpha", "1.2"))
    project.asks("-r pip/__init__.py\n-r json.py\nalpha\n", ["alpha"], {"pip/__init__.py": "alpha\n", "json.py": "alpha\n"})
    project.lock()
    assert project.names() == ["alpha-1.2-py3-none-any.whl"]


def test_names_that_are_paths(project, index):
    name, data = wheel("alpha", "1.2")
    index.paths["/files/" + name] = data
    index.paths["/etc/passwd"] = b"x"
    index.page("alpha", "\n".join([
        '<a href="../../../../../../etc/passwd">alpha-9.9-py3-none-any.whl</a>',
        '<a href="../../files/..%2f..%2f..%2falpha-9.8-py3-none-any.whl">alpha-9.8-py3-none-any.whl</a>',
        '<a href="../../files/%2e%2e/alpha-9.7-py3-none-any%00.whl">alpha-9.7-py3-none-any.whl</a>',
        '<a href="file:///srv/alpha-9.6-py3-none-any.whl">alpha-9.6-py3-none-any.whl</a>',
        '<a href="javascript:alpha-9.5-py3-none-any.whl">alpha-9.5-py3-none-any.whl</a>',
        '<a href="gopher://127.0.0.1/alpha-9.4-py3-none-any.whl">alpha-9.4-py3-none-any.whl</a>',
        '<a href="other-9.3-py3-none-any.whl">alpha-9.3-py3-none-any.whl</a>',
        f'<a href="../../files/{name}"\ndata-requires-python="&gt;=3&quot;&gt;&lt;script">x</a>'.replace("&quot;&gt;&lt;script", ""),
    ]))
    project.asks("alpha\n", ["alpha"])
    project.run()
    assert project.names() == [name] and project.seen() == ["alpha 1.2"]


def test_redirect_takes_no_login_along(project, new_index):
    here, there = new_index(login="me:s3cret"), new_index()
    name, data = wheel("alpha", "1.2")
    there.paths[f"/moved/{name}"] = data

    def moved(handler):
        handler.answer(302, b"", {"Location": f"http://localhost:{there.port}/moved/{name}"})
    here.add((name, data))
    here.paths[f"/files/{name}"] = moved
    project.asks("alpha\n", ["alpha"])
    project.run(env={"PIP_INDEX_URL": here.url.replace("http://", "http://me:s3cret@")})
    assert there.asked == [f"/moved/{name}"] and not any("Authorization" in h for h in there.heads)


def test_login_is_not_sent_to_other_hosts_that_a_page_links_to(project, new_index):
    here, there = new_index(login="me:s3cret"), new_index()
    name, data = wheel("alpha", "1.2")
    there.paths[f"/x/{name}"] = data
    here.add((name, data), href=f"http://127.0.0.1:{there.port}/x/{name}")
    project.asks("alpha\n", ["alpha"])
    project.run(env={"PIP_INDEX_URL": here.url.replace("http://", "http://me:s3cret@")})
    assert there.asked and not any("Authorization" in h for h in there.heads)


def test_endless_page(project, index):
    def endless(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.end_headers()
        try:
            for _ in range(100):
                handler.wfile.write(b"<a href=x>" * 100000)
        except OSError:
            pass
        handler.close_connection = True
    index.paths["/simple/alpha/"] = endless
    project.asks("alpha\n", ["alpha"])
    r = project.run(code=3)
    assert "too large" in r.stderr


def test_huge_file(project, index):
    index.add(wheel("alpha", "1.2"), hashed=False)

    def huge(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(1 << 50))
        handler.end_headers()
        handler.wfile.write(b"x" * 1000)
    index.paths["/files/alpha-1.2-py3-none-any.whl"] = huge
    project.asks("alpha\n", ["alpha"])
    r = project.run(code=3)
    assert "too large" in r.stderr


def test_a_wheel_that_unpacks_outside(project, index):
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(wheel("alpha", "1.2")[1])) as old, zipfile.ZipFile(out, "w") as z:
        for i in old.infolist():
            z.writestr(i, old.read(i))
        z.writestr("../../outputs/planted.txt", "x")
    index.add(("alpha-1.2-py3-none-any.whl", out.getvalue()))
    project.asks("alpha\n", ["alpha"])
    r = project.run(code=4)
    assert "holds the name" in r.stderr + project.aicert("log").stdout


@pytest.mark.long
def test_not_a_zip(project, index):
    index.add(("alpha-1.2-py3-none-any.whl", b"not a zip"))
    project.asks("alpha\n", ["alpha"])
    r = project.run(code=3)
    assert "alpha" in r.stderr


def test_locks_that_were_tampered_with(project, index):
    index.add(wheel("alpha", "1.2"))
    project.asks("alpha\n", ["alpha"])
    project.lock()
    path = project.dir / "aicert.lock"
    good = path.read_text()
    for change, words in [
        ({"sha256": "0" * 64}, "sha256"), ({"name": "../evil-1-py3-none-any.whl"}, "'name'"), ({"name": "beta.exe"}, "'name'"),
        ({"size": -1}, "'size'"), ({"uri": "https://me:pw@example.org/x"}, "secret"), ({"more": "x"}, "nothing else"),
    ]:
        lock = json.loads(good)
        lock["wheels"]["train"]["files"][0].update(change)
        path.write_text(json.dumps(lock))
        r = project.run(code=3)
        assert words in r.stderr, r.stderr


def test_a_proof_with_other_wheels_than_its_lock_is_refused(project, index):
    index.add(wheel("alpha", "1.2"))
    project.asks("alpha\n", ["alpha"])
    project.run()
    proof = json.loads((project.dir / "proof.json").read_text())
    source = next(i for i, n in proof["nodes"].items() if n["kind"] == "source" and n["type"] == "wheels")
    proof["nodes"][source]["content"]["tree"] = "0" * 64
    (project.dir / "bad.json").write_text(json.dumps(proof))
    r = project.aicert("verify", "bad.json", "--require", "unsigned", code=None)
    assert r.returncode in (1, 3)

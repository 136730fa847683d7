"""A bad tree for each rule of lint.py: every one must be refused at its line, and a good tree must pass. SPDX-License-Identifier: Apache-2.0"""
import pathlib
import subprocess
import sys

import pytest

LINT = pathlib.Path(__file__).with_name("lint.py")
HEAD = "/* x.c -- see x.h.  SPDX-License-Identifier: Apache-2.0 */\n"
HEADER = "/*\n * x.h -- a thing.\n * Depends on: nothing.  Threads: pure.\n * SPDX-License-Identifier: Apache-2.0\n */\n"


def lint(root, files):
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    r = subprocess.run([sys.executable, LINT, root], capture_output=True, text=True)
    assert not r.stderr
    assert (r.returncode == 1) == bool(r.stdout)
    return r.stdout.splitlines()


GOOD = {
    "aicert/base/x.c": HEAD + '#include "base/x.h"\n' + "int\nf(void)\n{\n\treturn 0; /* rand() would be wrong */\n}\n",
    "aicert/base/x.h": HEADER,
    "aicert/base/json.h": HEADER.replace("x.h", "json.h") + "#include <jansson.h>\n",
    "aicert/run/x.c": HEAD + '#include "base/x.h"\n#include "rule/x.h"\n#include "proof/x.h"\n#include "cache/x.h"\n#include "run/x.h"\n',
    "aicert/fetch/git_a.c": HEAD + '#include "model/x.h"\n#include <git2.h>\n',
    "aicert/cli/main.c": HEAD + '#include "aicert.h"\nint\nmain(void)\n{\n\texit(f("system(1)"));\n}\n',
    "aicert/api.c": HEAD + '#include "run/run.h"\n',
    "cache/db.c": HEAD + '#include <sqlite3.h>\n#include "fetch/sink.h"\n',
    "tests/unit/x.c": HEAD + '#include "run/x.h"\n#include <openssl/rsa.h>\nint\nmain(void)\n{\n\tsetenv("A", "b", 1);\n}\n',
    "README.md": "Two spaces end a line.  \n",
}


def test_a_good_tree_passes(tmp_path):
    assert lint(tmp_path, GOOD) == []


BAD = [
    ("aicert/base/x.c", HEAD + '#include "model/x.h"\n', 2, "base may not include model"),
    ("aicert/model/x.c", HEAD + '#include "fetch/x.h"\n', 2, "model may not include fetch"),
    ("aicert/fetch/x.c", HEAD + '#include "attest/x.h"\n', 2, "fetch may not include attest"),
    ("aicert/rule/x.c", HEAD + '#include "cache/x.h"\n', 2, "rule may not include cache"),
    ("aicert/proof/x.c", HEAD + '#include "fetch/x.h"\n', 2, "proof may not include fetch"),
    ("aicert/proof/x.c", HEAD + '#include "attest/tpm/tpm.h"\n', 2, "proof may not include tpm"),
    ("aicert/attest/quote/quote.c", HEAD + '#include "attest/tpm/seal.h"\n', 2, "quote may not include tpm"),
    ("aicert/run/x.c", HEAD + '#include "vm/host/x.h"\n', 2, "run may not include host"),
    ("aicert/run/x.c", HEAD + '#include "aicert.h"\n', 2, "run may not include api"),
    ("aicert/run/box/x.c", HEAD + '#include "rule/x.h"\n', 2, "box may not include rule"),
    ("aicert/run/observe/x.c", HEAD + '#include "run/box/x.h"\n', 2, "observe may not include box"),
    ("aicert/run/plan/x.c", HEAD + '#include "cache/x.h"\n', 2, "plan may not include cache"),
    ("aicert/run/pip/x.c", HEAD + '#include "vm/host/x.h"\n', 2, "run may not include host"),
    ("aicert/api.c", HEAD + '#include "cli/x.h"\n', 2, "api may not include cli"),
    ("cache/x.c", HEAD + '#include "run/x.h"\n', 2, "cache may not include run"),
    ("aicert/run/x.c", HEAD + '#include "elsewhere/x.h"\n', 2, "in no room"),
    ("cache/x.c", HEAD + "#include <sqlite3.h>\n", 2, "'sqlite3.h' is included only by cache/db.c"),
    ("aicert/run/x.c", HEAD + "\n#include <lua.h>\n", 3, "'lua.h' is included only by"),
    ("aicert/run/x.c", HEAD + "#include <lauxlib.h>\n", 2, "'lauxlib.h' is included only by"),
    ("aicert/model/x.c", HEAD + "#include <yaml.h>\n", 2, "'yaml.h' is included only by"),
    ("aicert/attest/quote/quote.c", HEAD + "#include <tss2/tss2_esys.h>\n", 2, "is included only by aicert/attest/tpm/*"),
    ("aicert/attest/tpm/tpm.c", HEAD + "#include <libtpms/tpm_library.h>\n", 2, "is included only by aicert/attest/tpm/tpm_embedded.c"),
    ("aicert/fetch/x.c", HEAD + "#include <curl/curl.h>\n", 2, "is included only by"),
    ("aicert/fetch/http.c", HEAD + "#include <git2.h>\n", 2, "is included only by"),
    ("aicert/proof/x.c", HEAD + "#include <jansson.h>\n", 2, "is included only by aicert/base/json.h"),
    ("aicert/run/x.c", HEAD + "# include <sqlite3.h>\n", 2, "is included only by cache/db.c"),
    ("aicert/run/x.c", HEAD + "#include <archive_entry.h>\n", 2, "is included only by"),
    ("aicert/run/x.c", HEAD + "#include <openssl/sha.h>\n", 2, "is included only by"),
    ("aicert/run/x.c", HEAD + "int\nf(void)\n{\n\treturn rand();\n}\n", 5, "'rand' is banned"),
    ("aicert/run/x.c", HEAD + "int\nf(char *a, char *b)\n{\n\tstrcpy (a, b);\n}\n", 5, "'strcpy' is banned"),
    ("aicert/run/x.c", HEAD + "int\nf(void)\n{\n\texit(1);\n}\n", 5, "'exit' is banned"),
    ("tests/unit/x.c", HEAD + "int\nf(char *a)\n{\n\treturn atoi(a);\n}\n", 5, "'atoi' is banned"),
    ("aicert/run/x.c", HEAD + "int\nlong_one(void)\n{\n" + "\tx();\n" * 70 + "}\n", 3, "function 'long_one' has 73 lines"),
    ("aicert/run/x.c", HEAD + "int x;\n" * 600, 601, "601 lines, at most 600"),
    ("aicert/run/x.c", "int x;\n", 1, "lacks 'SPDX-License-Identifier:'"),
    ("aicert/run/x.h", HEADER.replace("Depends on", "Needs"), 1, "lacks 'Depends on:'"),
    ("aicert/run/x.h", HEADER.replace("Threads", "Thread"), 1, "lacks 'Threads:'"),
    ("aicert/run/y.h", HEADER, 1, "lacks 'y.h -- '"),
    ("aicert/run/x.c", HEAD + "int x; \n", 2, "trailing white space"),
    ("tests/x.py", "x = 1\t\n", 1, "trailing white space"),
    ("aicert/run/x.c", HEAD + "int\nf(void)\n{\n    return 0;\n}\n", 5, "indentation by spaces"),
    ("rules/x.lua", "-- TO" "DO: the rest\n", 1, "a thing left to do"),
    ("aicert/run/x.c", HEAD + "/* FIX" "ME */\n", 2, "a thing left to do"),
    ("README.md", "x", 1, "the last line has no end"),
]


@pytest.mark.parametrize("path, text, line, words", BAD, ids=[f"{b[0]}: {b[3]}" for b in BAD])
def test_a_bad_tree_is_refused(tmp_path, path, text, line, words):
    found = lint(tmp_path, {path: text})
    assert len(found) == 1 and found[0].startswith(f"{path}:{line}: ") and words in found[0], found


def test_this_tree_passes():
    r = subprocess.run([sys.executable, LINT], capture_output=True, text=True)
    assert r.returncode == 0, r.stdout

#!/usr/bin/python3
"""What a compiler does not check: who may include what, banned functions, lengths, heads of headers, white space.

    tests/lint/lint.py [FOLDER]      prints `file:line: message` for each fault and exits 1 when there was one

The tables below are the picture of the house (README) in the form that a program reads; tests/lint/test_lint.py holds a bad tree
for each rule. SPDX-License-Identifier: Apache-2.0
"""
import fnmatch
import pathlib
import re
import sys

# cli -> api -> vm -> run -> { rule | cache | proof } -> { model | fetch | attest } -> base
# Each room: where it is, and what it may include beside itself. proof is the verifying half (libcrypto, jansson, libyaml and plain POSIX), so it may neither
# fetch nor lean on the part of attest that reaches a TPM.
EVIDENCE = ("attest", "enrol", "x509", "eventlog", "quote")
RUN = ("run", "box", "observe", "plan", "rule", "cache", "proof", "model", "fetch", "tpm", *EVIDENCE, "base")
VM = ("uki", "disk", "build", "agent", "cloud", "host")
ROOMS = {
    "base": ("aicert/base/*", []),
    "model": ("aicert/model/*", ["base"]),
    "fetch": ("aicert/fetch/*", ["model", "base"]),
    # Rooms inside attest: bytes that a TPM signed; what a firmware logged; who vouches for a key; how a key comes by a certificate; a TPM itself.
    "quote": ("aicert/attest/quote/*", ["base"]),
    "eventlog": ("aicert/attest/eventlog/*", ["base"]),
    "x509": ("aicert/attest/x509/*", ["quote", "base"]),
    "enrol": ("aicert/attest/enrol/*", ["x509", "quote", "base"]),
    "attest": ("aicert/attest/*", ["model", "base"]),
    "tpm": ("aicert/attest/tpm/*", [*EVIDENCE, "model", "base"]),
    "rule": ("aicert/rule/*", ["model", "fetch", "tpm", *EVIDENCE, "base"]),
    "cache": ("cache/*", ["model", "fetch", "tpm", *EVIDENCE, "base"]),
    "proof": ("aicert/proof/*|aicert/proof/policy/*", [*EVIDENCE, "model", "base"]),
    # Rooms inside run: what a step looked at; what it is shut in; what is going to be done. The rest of run stands on these.
    "observe": ("aicert/run/observe/*", ["model", "base"]),
    "box": ("aicert/run/box/*", ["observe", "cache", "model", "fetch", "tpm", *EVIDENCE, "base"]),
    "plan": ("aicert/run/plan/*", ["rule", "model", "fetch", "tpm", *EVIDENCE, "base"]),
    "run": ("aicert/run/*|aicert/run/pip/*|aicert/run/again/*", ["box", "observe", "plan", "rule", "cache", "proof", "model", "fetch", "tpm", *EVIDENCE, "base"]),
    # Rooms inside vm: what boots; what it is built from; what goes in and out; what runs in it; clouds; and who boots it.
    "uki": ("aicert/vm/uki/*", ["model", *EVIDENCE, "base"]),
    "disk": ("aicert/vm/disk/*", [*RUN]),
    "build": ("aicert/vm/build/*", ["uki", *RUN]),
    "agent": ("aicert/vm/agent/*", ["disk", *RUN]),
    "cloud": ("aicert/vm/cloud/*", [*RUN]),
    "host": ("aicert/vm/host/*", ["disk", "cloud", "uki", *RUN]),
    "api": ("aicert/*.[ch]", [*VM, "run", "box", "observe", "plan", "rule", "cache", "proof", "model", "fetch", "tpm", *EVIDENCE, "base"]),
    "cli": ("aicert/cli/*", ["api", *VM, "run", "box", "observe", "plan", "rule", "cache", "proof", "model", "fetch", "tpm", *EVIDENCE, "base"]),
}

# Each third-party header: the files that wrap it.
OWNERS = {
    "sqlite3.h": ["cache/db.c"],
    "lua*.h": ["aicert/rule/*"],
    "lauxlib.h": ["aicert/rule/*"],
    "yaml.h": ["aicert/model/yaml.c"],
    "tss2/*": ["aicert/attest/tpm/*"],
    "libtpms/*": ["aicert/attest/tpm/tpm_embedded.c"],
    "curl/*": ["aicert/fetch/http*.c"],
    "git2.h": ["aicert/fetch/git*"],
    "git2/*": ["aicert/fetch/git*"],
    "jansson.h": ["aicert/base/json.h"],
    "archive*.h": ["aicert/fetch/image*.c", "aicert/fetch/archive*.c"],
    "openssl/*": ["aicert/base/hash.c", "aicert/attest/*/*.c", "aicert/fetch/known_hosts.c"],
}

BANNED = {
    "strcpy": "memcpy with a length, or ai_buf", "strcat": "ai_buf", "sprintf": "snprintf or ai_buf_printf", "vsprintf": "vsnprintf", "strtok": "strcspn",
    "atoi": "strtoull with checks", "atol": "strtoull with checks", "atof": "strtod with checks", "strtol": "strtoll with checks", "strtoul": "strtoull with checks",
    "alloca": "malloc", "setenv": "an environment of one's own for the child", "putenv": "an environment of one's own for the child", "system": "fork and exec",
    "popen": "fork and exec", "rand": "getrandom", "srand": "getrandom", "gmtime": "gmtime_r", "localtime": "gmtime_r", "ctime": "strftime", "gets": "ai_read_fd",
    "exit": "return an error: only cli/main.c ends the process",
}
# file -> what it may call nevertheless: a process of its own, or the place where the process ends.
ALLOWED = {"aicert/cli/main.c": {"exit"}, "tests/*": {"exit", "setenv", "system"}}

MAX_FILE, MAX_FUNCTION = 600, 70
TEXT = (".c", ".h", ".py", ".lua", ".sh", ".md", ".yaml", ".tsv", "")
LEFT_OUT = ("build*", ".git", "__pycache__", "corpus", "golden", "data", "pretrain", "*.egg-info", ".pytest_cache", "outputs")


def matches(path, patterns):
    # A '*' here stays within a name, as it does in a shell; "tests/*" alone stands for the whole folder.
    return any(path.startswith(p[:-1]) if p == "tests/*" else path.count("/") == p.count("/") and fnmatch.fnmatchcase(path, p) for p in patterns)


def files(root):
    """Every text file that is ours to keep tidy, as paths below root."""
    todo = [root]
    while todo:
        for p in sorted(todo.pop().iterdir()):
            if p.is_symlink() or any(fnmatch.fnmatchcase(p.name, o) for o in LEFT_OUT):
                continue
            if p.is_dir():
                todo.append(p)
            elif p.suffix in TEXT:
                yield p


def without_comments(text):
    """C text with comments and the insides of strings blanked, every line where it was."""
    def blank(m):
        s = m[0]
        return s[0] + re.sub(r"[^\n]", " ", s[1:-1]) + s[-1] if s[0] in "\"'" else re.sub(r"[^\n]", " ", s)
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", blank, text, flags=re.S)


def room_of(path):
    return next((r for r, (pattern, _) in ROOMS.items() if matches(path, pattern.split("|"))), None)


def check_includes(path, text):
    """An include goes down the house, and a library's header goes to the file that wraps it. Tests may look anywhere."""
    if path.startswith("tests/"):
        return
    room = room_of(path)
    for n, line in enumerate(text.split("\n"), 1):
        m = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if not m:
            continue
        header = m[2]
        for pattern, owners in OWNERS.items():
            if fnmatch.fnmatchcase(header, pattern) and not matches(path, owners):
                yield n, f"'{header}' is included only by {', '.join(owners)}"
        if m[1] == "<" or room is None:
            continue
        target = header if header.startswith("cache/") else "aicert/" + header
        other = room_of(target) if "/" in header or header in ("aicert.h",) or header.startswith("api") else room
        if other is None:
            yield n, f"'{header}' is in no room of the house"
        elif other != room and other not in ROOMS[room][1]:
            yield n, f"{room} may not include {other} ('{header}')"


def check_banned(path, bare):
    allowed = set().union(*(a for p, a in ALLOWED.items() if matches(path, [p])))
    for n, line in enumerate(bare.split("\n"), 1):
        for m in re.finditer(r"(?<![\w.>])(\w+)\s*\(", line):
            if m[1] in BANNED and m[1] not in allowed:
                yield n, f"'{m[1]}' is banned: {BANNED[m[1]]}"


def check_functions(bare):
    """A function's name stands at the margin, its braces too."""
    name, start = None, 0
    for n, line in enumerate(bare.split("\n"), 1):
        if m := re.match(r"(\w+)\(", line):
            name, start = m[1], n
        elif line.startswith("}") and name:
            if n - start + 1 > MAX_FUNCTION:
                yield start, f"function '{name}' has {n - start + 1} lines, at most {MAX_FUNCTION}"
            name = None


def check_head(path, text):
    head = text.split("*/")[0] if text.startswith("/*") else ""
    wanted = ["SPDX-License-Identifier:"]
    if path.endswith(".h"):
        wanted += [pathlib.PurePath(path).name + " -- "]
        if not path.startswith("tests/"):
            wanted += ["Threads:"]
        if not path.startswith("tests/") and path != "aicert/aicert.h":
            wanted += ["Depends on:"]
    for w in wanted:
        if w not in head:
            yield 1, f"the head comment lacks '{w}'"


def check_space(path, text):
    if text and not text.endswith("\n"):
        yield text.count("\n") + 1, "the last line has no end"
    for n, line in enumerate(text.split("\n"), 1):
        if line != line.rstrip() and not path.endswith(".md"):
            yield n, "trailing white space"
        if path.endswith((".c", ".h")) and re.match(r" {2,}\S", line):
            yield n, "indentation by spaces"
        if not path.startswith("tests/lint/") and re.search(r"\b(TODO|FIXME|XXX)\b", line):
            yield n, "a thing left to do: do it, or say in a sentence why not"


def check_file(root, p):
    path = p.relative_to(root).as_posix()
    try:
        text = p.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        if p.suffix:
            yield path, 1, "not UTF-8"
        return
    faults = list(check_space(path, text))
    if path.endswith((".c", ".h")):
        bare = without_comments(text)
        faults += [*check_includes(path, text), *check_banned(path, bare), *check_functions(bare), *check_head(path, text)]
        if (lines := text.count("\n")) > MAX_FILE:
            faults.append((lines, f"{lines} lines, at most {MAX_FILE}"))
    for n, message in sorted(faults):
        yield path, n, message


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[2])
    faults = [f for p in files(root) for f in check_file(root, p)]
    for path, n, message in faults:
        print(f"{path}:{n}: {message}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

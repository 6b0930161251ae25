"""Fails when a relative link, or an anchor, in a Markdown file of the repository leads nowhere.

A link to a Rust file whose text is a name (`[MAX_ROWS](../store/src/store.rs)`) leads to that name's definition.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINK = re.compile(r"!?\[([^\]]*)\]\(([^)\s]+)\)")


def anchors(path):
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.S)
    heads = re.findall(r"^#+\s+(.*)$", text, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


bad, seen = [], 0
files = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard", "*.md"], cwd=ROOT, text=True).split("\n")
for name in filter(None, files):
    page = ROOT / name
    for words, target in LINK.findall(re.sub(r"```.*?```", "", page.read_text(), flags=re.S)):
        if re.match(r"[a-z]+:", target):
            continue
        seen += 1
        file, _, anchor = target.partition("#")
        goal = (page.parent / file).resolve() if file else page
        if not goal.exists():
            bad.append(f"{name}: {target}: no such file")
        elif goal.suffix == ".rs" and re.fullmatch(r"\w+", words) and not re.search(rf"\b(const|struct|static) {words}\b", goal.read_text()):
            bad.append(f"{name}: {target}: no {words} in it")
        elif anchor and goal.suffix == ".md" and anchor not in anchors(goal):
            bad.append(f"{name}: {target}: no such heading")
if bad:
    sys.exit("\n".join(bad))
print(f"{seen} links lead somewhere")

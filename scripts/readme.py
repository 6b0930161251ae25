"""Runs the commands of the docs: scripts/readme.py BELLWETHER

In README.md every fenced block of language `sh` is either run or says why not; in docs/*.md blocks that are marked are
run. All blocks of a page share one folder, in which `fixtures`, `rules` and `grafana` are those of the repository, and
`bellwether` is the program given. The marks are HTML comments on a line of their own, right before a block:

    <!-- file: NAME -->          write the block to this file (any language)
    <!-- run -->                 run the block with `bash -e`; it must exit with 0
    <!-- run: exits 1 -->        … with 1
    <!-- output -->              what the block before printed must hold these lines, in this order;
                                 `…` stands for any text, a line of its own for any lines
    <!-- not run: WHY -->        leave it; a script that it names must exist and be executable
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(?:^<!-- *(?P<mark>[^\n]*?) *-->\n)?^```(?P<language>[a-z]*)\n(?P<text>.*?)^```$", re.M | re.S)
SECONDS = 120


class Failed(Exception):
    pass


def run_page(page, program, is_strict):
    """How many blocks were run."""
    ran, printed = 0, None
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "bin").mkdir()
        (folder / "bin" / "bellwether").symlink_to(program)
        for name in ["fixtures", "rules", "grafana"]:
            if (ROOT / name).exists():
                (folder / name).symlink_to(ROOT / name)
        for block in BLOCK.finditer(page.read_text()):
            mark, language, text = block["mark"] or "", block["language"], block["text"]
            where = f"{page.relative_to(ROOT)}:{page.read_text()[: block.start('text')].count(chr(10)) + 1}"
            kind, _, value = (part.strip() for part in mark.partition(":"))
            if kind == "file":
                (folder / value).parent.mkdir(parents=True, exist_ok=True)
                (folder / value).write_text(text)
            elif kind == "run":
                printed = run(text, folder, int(value.removeprefix("exits ")) if value else 0, where)
                ran += 1
            elif kind == "output":
                compare(text, printed, where)
            elif kind == "not run":
                check_scripts(text, where)
            elif language == "sh" and is_strict:
                raise Failed(f"{where}: a block of commands without a mark; scripts/readme.py says which there are")
    return ran


def run(text, folder, code, where):
    environment = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "NO_COLOR": "1"}
    done = subprocess.run(["bash", "-e", "-c", text], cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS)
    if done.returncode != code:
        raise Failed(f"{where}: exit code {done.returncode}, not {code}\n{text}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def compare(expected, printed, where):
    if printed is None:
        raise Failed(f"{where}: output without a block that was run before")
    def pattern_of(line):
        return r"[^\n]*".join(re.escape(part) for part in line.rstrip().split("…"))
    lines = [r"(?:[^\n]*\n)*?" if line.strip() == "…" else pattern_of(line) + r"[ ]*\n" for line in expected.splitlines()]
    if not re.search(r"(?m)^" + "".join(lines), printed):
        raise Failed(f"{where}: expected\n{expected}\nprinted\n{printed}")


def check_scripts(text, where):
    for script in re.findall(r"\bscripts/[\w.]+", text):
        if not os.access(ROOT / script, os.X_OK):
            raise Failed(f"{where}: {script} isn't there, or isn't executable")


def main():
    program = pathlib.Path(sys.argv[1]).resolve()
    failures, ran = [], 0
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        try:
            ran += run_page(page, program, is_strict=page.name == "README.md")
        except Failed as failure:
            failures.append(str(failure))
    if failures:
        sys.exit("\n\n".join(failures))
    print(f"{ran} blocks of commands do what the docs say")


main()

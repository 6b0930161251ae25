"""Fails when a dependency has a licence that Apache-2.0 software may not ship with.

Advisories need a database that can't be fetched where CI runs; the lock file pins every version instead.
"""
import json
import re
import subprocess
import sys

ALLOWED = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0",
    "CDLA-Permissive-2.0", "ISC", "MIT", "MIT-0", "MPL-2.0", "OpenSSL", "Unicode-3.0", "Unlicense", "Zlib", "bzip2-1.0.6",
}

# The platform that this machine builds for: what other platforms would add is neither fetched nor shipped.
host = re.search(r"^host: (.*)$", subprocess.check_output(["rustc", "-vV"], text=True), flags=re.M)[1]
command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", host]
metadata = json.loads(subprocess.check_output(command))
bad = []
for package in metadata["packages"]:
    expression = (package["license"] or "").replace("/", " OR ")
    # Good when one alternative of the expression consists of allowed licences only.
    alternatives = re.split(r"\s+OR\s+", expression.replace("(", "").replace(")", ""))
    if not any(all(part in ALLOWED for part in re.split(r"\s+AND\s+", alternative)) for alternative in alternatives):
        bad.append(f"{package['name']} {package['version']}: {package['license']}")
if bad:
    sys.exit("licences not on the list:\n" + "\n".join(bad))
print(f"{len(metadata['packages'])} packages, all with an allowed licence")

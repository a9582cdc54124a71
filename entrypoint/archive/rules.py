"""Rules about archives themselves; one row each in docs/preflight.md."""

from __future__ import annotations

from entrypoint.rule import Rule

_REBUILD = "Build the file with a build backend (`python -m build`, `uv build`), and do not pack or repack it by hand."
_REPACKED = (
    "Build again with a current build backend; tools that repack wheels (auditwheel, delocate) have to be current too."
)

UNREADABLE = Rule(
    "archive-unreadable",
    "The archive is damaged",
    "Build it again, and look at how it came here: uploaded whole, downloaded whole, no pointer of Git LFS.",
    pypi="error",
    elsewhere="error",
    final=True,
)
FRAMING = Rule("zip-framing", "The ZIP file can be read in two ways", _REPACKED, pypi="error", elsewhere="warning")
COMPRESSION = Rule(
    "compression-method",
    "A compression that not every installer knows",
    "Pack with deflate: build backends do so unless they are told otherwise.",
    pypi="error",
    elsewhere="warning",
)
RATIO = Rule(
    "compression-ratio",
    "The archive unpacks to far more than its size",
    "Look at what was packed: files of zeros, sparse images, test data.",
    pypi="error",
    elsewhere="warning",
)
PATHS = Rule(
    "member-path",
    "A member would be unpacked outside its folder",
    _REBUILD,
    pypi="error",
    elsewhere="error",
    final=True,
)
LINKS = Rule(
    "member-kind",
    "A member is neither file nor folder",
    "Leave it out of the sdist: installers refuse devices, and links that lead outside (PEP 706).",
    pypi="warning",
    elsewhere="warning",
)
SPARSE = Rule(
    "sparse-member",
    "Sparse members",
    "Pack with a build backend; if you pack with GNU tar, leave out `--sparse`.",
    pypi="error",
    elsewhere="warning",
)
SDIST_LAYOUT = Rule("sdist-layout", "An sdist has one folder at its top", _REBUILD, pypi="error", elsewhere="error")
WHEEL_LAYOUT = Rule(
    "wheel-layout",
    "The .dist-info folder is not as it should be",
    f"{_REBUILD} Do not rename built files.",
    pypi="error",
    elsewhere="error",
)
RECORD = Rule(
    "record",
    "RECORD does not tell what is in the wheel",
    "Tools that change a wheel must write RECORD anew: `python -m wheel unpack` and `pack` do. Installers verify it.",
    pypi="error",
    elsewhere="error",
)
OBFUSCATED = Rule(
    "obfuscated",
    "Obfuscated code",
    "PyPI takes no code that PyArmor or SourceDefender encrypted: publish it readable, or elsewhere.",
    pypi="warning",
    elsewhere=None,
)
CREDENTIALS_FILE = Rule(
    "credentials-file",
    "A Google credentials file is in the distribution",
    "Build before the step that signs in, add `gha-creds-*.json` to .gitignore, or give google-github-actions/auth "
    "`create_credentials_file: false`. If a copy was ever published and held a key, delete that key.",
    pypi="error",
    elsewhere="error",
    final=True,
)
KEY_FILE = Rule(
    "key-file",
    "This may be a private key",
    "If it is more than a test's example, leave it out of the distribution and delete the key.",
    pypi="warning",
    elsewhere="warning",
)
NOT_READ = Rule(
    "not-read",
    "The archive was not read to its end",
    "Look at what was packed. Nothing is known of the rest of it.",
    pypi="warning",
    elsewhere="warning",
)

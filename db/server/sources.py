"""The machine's own apt configuration, read so that packages come from the mirror and keys its owner trusts already."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from db.server.machine import Machine


@dataclass(frozen=True, slots=True)
class Source:
    """One package source in deb822 terms; `options` are the remaining fields (Signed-By, Trusted, ...) as written."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    options: tuple[tuple[str, str], ...] = ()

    def deb822(self) -> str:
        """The source as a paragraph of a `.sources` file."""
        fields = [
            ("Types", "deb"),
            ("URIs", " ".join(self.uris)),
            ("Suites", " ".join(self.suites)),
            ("Components", " ".join(self.components)),
            *self.options,
        ]
        return "".join(f"{name}: {value}\n" for name, value in fields)


_CARRIED = {
    "signed-by": "Signed-By",
    "trusted": "Trusted",
    "check-valid-until": "Check-Valid-Until",
    "check-date": "Check-Date",
    "allow-insecure": "Allow-Insecure",
    "arch": "Architectures",
    "architectures": "Architectures",
}


def parse_deb822(text: str) -> Iterator[Source]:
    """The binary package sources of a `.sources` file; disabled ones and source packages are left out."""
    for paragraph in re.split(r"\n[ \t]*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in paragraph.splitlines():
            if line.startswith("#") or not line.strip():
                continue
            if line[0] in " \t" and name:
                fields[name] += "\n" + line  # a key block written into the file keeps its lines
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        yield Source(
            uris=tuple(fields.get("uris", "").split()),
            suites=tuple(fields.get("suites", "").split()),
            components=tuple(fields.get("components", "").split()),
            options=tuple((_CARRIED[key], value) for key, value in fields.items() if key in _CARRIED),
        )


def parse_one_line(text: str) -> Iterator[Source]:
    """The binary package sources of a classic `sources.list`."""
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[(?P<options>[^\]]*)\]\s*)?(?P<uri>\S+)\s+(?P<suite>\S+)(?P<rest>[^#]*)", line)
        if match is None:
            continue
        pairs = [option.partition("=") for option in (match["options"] or "").split()]
        yield Source(
            uris=(match["uri"],),
            suites=(match["suite"],),
            components=tuple(match["rest"].split()),
            options=tuple(
                (_CARRIED[key.lower()], value.replace(",", " ")) for key, _, value in pairs if key.lower() in _CARRIED
            ),
        )


def machine_sources(machine: Machine) -> list[Source]:
    """Everything the machine's apt reads, in its order; files that cannot be read are passed over."""
    apt = machine.etc / "apt"
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    found: list[Source] = []
    for file in files:
        if file.suffix not in (".list", ".sources"):
            continue
        try:
            text = file.read_text("utf-8", "replace")
        except OSError:
            continue
        found.extend(parse_deb822(text) if file.suffix == ".sources" else parse_one_line(text))
    return found


def distribution_sources(machine: Machine) -> list[Source]:
    """The distribution's own sources: its release, updates and security; other vendors' repositories are left out."""
    codename = machine.release().get("VERSION_CODENAME", "")
    known = {codename, "stable", "testing", "unstable", "sid"} - {""}
    return [
        replace(source, suites=suites)
        for source in machine_sources(machine)
        if "main" in source.components
        and (suites := tuple(suite for suite in source.suites if _release_of(suite) in known))
    ]


def debian_suite(machine: Machine, suite: str) -> list[Source]:
    """Another suite (such as `sid`) of the mirror this machine uses; empty when the machine is not Debian itself."""
    if machine.release().get("ID") != "debian":
        return []
    for source in distribution_sources(machine):
        if any(_is_release(name) for name in source.suites):
            return [replace(source, suites=(suite,), components=("main",))]
    return []


def deb822_file(sources: Iterable[Source]) -> str:
    """The text of a `.sources` file."""
    return "\n".join(source.deb822() for source in sources)


def _release_of(suite: str) -> str:
    return re.split(r"[-/]", suite, maxsplit=1)[0]


def _is_release(suite: str) -> bool:
    return _release_of(suite) == suite

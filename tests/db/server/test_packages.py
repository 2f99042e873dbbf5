"""Packages are unpacked completely or not at all, from the sources the machine trusts."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from threading import Thread

import pytest

from db.server.errors import InstallFailed
from db.server.machine import Machine
from db.server.packages import unpacked
from db.server.sources import Source, debian_suite, distribution_sources, parse_deb822, parse_one_line

SOURCES = [Source(("http://mirror.example.internal/debian",), ("trixie",), ("main",))]

DEB822 = """\
# the distribution
Types: deb deb-src
URIs: http://mirror.example.internal/debian
Suites: trixie trixie-updates
Components: main contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQENBF
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: http://mirror.example.internal/old
Suites: bookworm
Components: main
Enabled: no

Types: deb
URIs: https://packages.example.internal/apt
Suites: nodistro
Components: main
Signed-By: /usr/share/keyrings/example.gpg
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine whose apt-get hands out one small package; `fail` beside it makes that many downloads fail."""
    dpkg_deb = shutil.which("dpkg-deb")
    if dpkg_deb is None:
        pytest.skip("dpkg-deb is not on this machine, so packages are never unpacked here")
    package = tmp_path / "package"
    (package / "DEBIAN").mkdir(parents=True)
    (package / "DEBIAN" / "control").write_text(
        "Package: sample\nVersion: 1\nArchitecture: all\n"
        "Maintainer: nobody <nobody@example.internal>\nDescription: sample\n"
    )
    (package / "usr" / "bin").mkdir(parents=True)
    (package / "usr" / "bin" / "sample").write_text("#!/bin/sh\necho sample\n")
    subprocess.run([dpkg_deb, "-b", str(package), str(tmp_path / "sample.deb")], check=True, capture_output=True)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "dpkg-deb").symlink_to(dpkg_deb)
    (tools / "apt-cache").write_text("#!/bin/sh\nprintf 'sample-9\\nsample-10\\nsample-doc\\n'\n")
    (tools / "apt-get").write_text(
        f"""#!/bin/sh
        folder=$(dirname "${{1#-c=}}")
        echo "$*" >> {tmp_path}/calls
        case "$*" in *--download-only*)
            if [ -s {tmp_path}/fail ]; then
                sed -i 1d {tmp_path}/fail; echo "E: Connection reset by the mirror" >&2; exit 100
            fi
            cp {tmp_path}/sample.deb "$folder/cache/archives/" ;;
        esac
        """
    )
    for script in ("apt-cache", "apt-get"):
        (tools / script).chmod(0o755)
    return Machine(path=str(tools), more_folders=(), etc=tmp_path / "etc")


def downloads(tmp_path: Path) -> list[str]:
    return [line for line in (tmp_path / "calls").read_text().splitlines() if "--download-only" in line]


def test_packages_are_unpacked_once(tmp_path: Path, machine: Machine) -> None:
    for _ in range(2):
        folder = unpacked(tmp_path / "packages", "sample", [r"sample-[0-9]+"], SOURCES, machine)

    program = folder.program("usr/bin/sample")
    assert program is not None
    assert len(downloads(tmp_path)) == 1


def test_of_several_packages_the_highest_number_is_taken(tmp_path: Path, machine: Machine) -> None:
    unpacked(tmp_path / "packages", "sample", [r"sample(-[0-9]+)"], SOURCES, machine)

    assert downloads(tmp_path)[0].endswith("install sample-10")


def test_a_half_unpacked_folder_is_made_again(tmp_path: Path, machine: Machine) -> None:
    leftover = tmp_path / "packages" / "sample" / "usr" / "bin" / "leftover"
    leftover.parent.mkdir(parents=True)
    leftover.touch()
    said: list[str] = []

    folder = unpacked(tmp_path / "packages", "sample", [r"sample-[0-9]+"], SOURCES, machine, said.append)

    assert folder.program("usr/bin/sample") is not None
    assert not leftover.exists()
    assert "half unpacked" in said[0]


def test_an_interrupted_download_is_tried_once_more(tmp_path: Path, machine: Machine) -> None:
    (tmp_path / "fail").write_text("once\n")

    unpacked(tmp_path / "packages", "sample", [r"sample-[0-9]+"], SOURCES, machine)

    assert len(downloads(tmp_path)) == 2


def test_a_download_that_keeps_failing_shows_its_last_lines_and_leaves_nothing(
    tmp_path: Path, machine: Machine
) -> None:
    (tmp_path / "fail").write_text("once\ntwice\n")

    with pytest.raises(InstallFailed, match="Connection reset by the mirror"):
        unpacked(tmp_path / "packages", "sample", [r"sample-[0-9]+"], SOURCES, machine)

    assert [entry.name for entry in (tmp_path / "packages").iterdir()] == ["sample.lock"]


def test_a_package_the_distribution_does_not_have_is_named(tmp_path: Path, machine: Machine) -> None:
    with pytest.raises(InstallFailed, match="no package mysql-server-core"):
        unpacked(tmp_path / "packages", "mysql", [r"mysql-server-core(-[0-9.]+)?"], SOURCES, machine)


def test_two_runs_at_once_unpack_once(tmp_path: Path, machine: Machine) -> None:
    def install() -> None:
        unpacked(tmp_path / "packages", "sample", [r"sample-[0-9]+"], SOURCES, machine)

    threads = [Thread(target=install) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(downloads(tmp_path)) == 1


def test_sources_are_read_in_the_new_form() -> None:
    first, second = parse_deb822(DEB822)

    assert first.uris == ("http://mirror.example.internal/debian",)
    assert first.suites == ("trixie", "trixie-updates")
    assert "BEGIN PGP PUBLIC KEY BLOCK" in first.deb822()
    assert list(parse_deb822(first.deb822())) == [first]
    assert second.options == (("Signed-By", "/usr/share/keyrings/example.gpg"),)


def test_sources_are_read_in_the_classic_form() -> None:
    text = """\
# deb http://mirror.example.internal/debian sid main
deb [arch=amd64,arm64 signed-by=/usr/share/keyrings/own.gpg] http://mirror.example.internal/d trixie main contrib # ours
deb-src http://mirror.example.internal/debian trixie main
deb http://mirror.example.internal/debian trixie-updates main
"""
    first, second = parse_one_line(text)

    assert first.components == ("main", "contrib")
    assert first.options == (("Architectures", "amd64 arm64"), ("Signed-By", "/usr/share/keyrings/own.gpg"))
    assert second.suites == ("trixie-updates",)


def write_etc(folder: Path, identity: str) -> Machine:
    sources = folder / "etc" / "apt" / "sources.list.d"
    sources.mkdir(parents=True)
    (sources / "all.sources").write_text(DEB822)
    (sources / "all.sources.bak").write_text("deb http://mirror.example.internal/debian trixie main")
    (folder / "etc" / "os-release").write_text(f'ID={identity}\nVERSION_CODENAME="trixie"\n')
    return Machine(path="", more_folders=(), etc=folder / "etc")


def test_only_the_distributions_own_sources_are_used(tmp_path: Path) -> None:
    (source,) = distribution_sources(write_etc(tmp_path, "debian"))

    assert source.uris == ("http://mirror.example.internal/debian",)


def test_another_suite_comes_from_the_same_mirror_with_the_same_keys(tmp_path: Path) -> None:
    (source,) = debian_suite(write_etc(tmp_path, "debian"), "sid")

    assert source.uris == ("http://mirror.example.internal/debian",)
    assert source.suites == ("sid",)
    assert "BEGIN PGP PUBLIC KEY BLOCK" in source.deb822()


def test_only_debian_itself_has_debians_other_suites(tmp_path: Path) -> None:
    assert debian_suite(write_etc(tmp_path, "ubuntu"), "sid") == []

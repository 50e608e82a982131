"""An archive of Debian packages on a loopback address, as apt reads one; it signs nothing."""

from __future__ import annotations

import hashlib
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def build_package(work: Path, name: str, architecture: str, version: str, tree: Path) -> Path:
    """A package with the files of a tree."""
    control = tree / "DEBIAN" / "control"
    control.parent.mkdir(exist_ok=True)
    control.write_text(
        f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n"
        "Maintainer: Nobody <nobody@localhost>\nDescription: a test\n"
    )
    path = work / f"{name}_{version}_{architecture}.deb"
    command = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(path)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    control.unlink()
    control.parent.rmdir()
    return path


class Archive:
    """`address` is for a line of sources; `asked` are the paths that were asked for."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.address = f"http://127.0.0.1:{port}/"
        self.asked: list[str] = []

    def publish(self, suite: str, packages: list[Path], origin: str) -> None:
        """Offer packages in a suite, which tells where it is from."""
        paragraphs = []
        for package in packages:
            data = package.read_bytes()
            place = f"pool/{suite}/{package.name}"
            (self.folder / place).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / place).write_bytes(data)
            control = subprocess.run(
                ["dpkg-deb", "--field", str(package)], check=True, capture_output=True, text=True
            ).stdout
            digest = hashlib.sha256(data).hexdigest()
            paragraphs.append(
                f"{control}Filename: {place}\nSize: {len(data)}\nSHA256: {digest}\n"
            )
        index = "\n".join(paragraphs).encode()
        path = self.folder / "dists" / suite / "main" / "binary-i386" / "Packages"
        path.parent.mkdir(parents=True)
        path.write_bytes(index)
        (self.folder / "dists" / suite / "Release").write_text(
            f"Origin: {origin}\nLabel: {origin}\nSuite: {suite}\nCodename: {suite}\n"
            "Date: Sat, 10 Jun 2023 08:53:33 UTC\n"
            "Architectures: i386\nComponents: main\nSHA256:\n"
            f" {hashlib.sha256(index).hexdigest()} {len(index)} main/binary-i386/Packages\n"
        )


@contextmanager
def serve(folder: Path) -> Iterator[Archive]:
    """An archive below a folder, until the end of the block."""
    folder.mkdir()

    class Handler(SimpleHTTPRequestHandler):
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            archive.asked.append(self.path)

        def log_error(self, format: str, *words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        archive = Archive(folder, server.server_address[1])
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield archive
        finally:
            server.shutdown()
            thread.join()

"""Builds an image from nothing as an OCI layout, without a daemon: CA certificates and programs, for the user 65532.

    image.py LAYOUT NAME --version V --revision SHA --source URL --ca BUNDLE --platform amd64=PROGRAM[,PROGRAM…] …

The first program is the entry point; each is in `/` and in PATH. The image of several platforms is one index with the tag of the
version. The same input gives the same bytes. It never asks a registry: deploy/release/push.sh copies the layout to one.
"""

import argparse
import datetime
import gzip
import hashlib
import io
import json
import os
import pathlib
import tarfile

USER = 65532
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
HOME = "/home/nonroot"


class Layout:
    """The folder with the blobs."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        (self.folder / "blobs/sha256").mkdir(parents=True, exist_ok=True)

    def blob(self, data, media_type, **more):
        digest = hashlib.sha256(data).hexdigest()
        (self.folder / "blobs/sha256" / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data), **more}

    def document(self, document, media_type, **more):
        return self.blob(json.dumps(document, sort_keys=True).encode(), media_type, **more)


def layer(entries, time):
    """A layer as its tar and the compressed bytes. An entry is a path with its bytes (None: a folder), mode and owner."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, data, mode, owner in entries:
            entry = tarfile.TarInfo(path)
            entry.mode, entry.mtime, entry.uid, entry.gid = mode, time, owner, owner
            if data is None:
                entry.type = tarfile.DIRTYPE
                tar.addfile(entry)
            else:
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
    plain = buffer.getvalue()
    return plain, gzip.compress(plain, 9, mtime=0)


def base(bundle):
    passwd = f"root:x:0:0:root:/:/sbin/nologin\nnonroot:x:{USER}:{USER}:nonroot:{HOME}:/sbin/nologin\n"
    group = f"root:x:0:\nnonroot:x:{USER}:\n"
    return [
        ("etc", None, 0o755, 0),
        ("etc/passwd", passwd.encode(), 0o644, 0),
        ("etc/group", group.encode(), 0o644, 0),
        ("etc/ssl", None, 0o755, 0),
        ("etc/ssl/certs", None, 0o755, 0),
        ("etc/ssl/certs/ca-certificates.crt", bundle, 0o644, 0),
        ("home", None, 0o755, 0),
        (HOME.lstrip("/"), None, 0o755, USER),
        ("tmp", None, 0o1777, 0),
        ("work", None, 0o755, USER),
    ]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("layout")
    parser.add_argument("name")
    parser.add_argument("--version", required=True)
    parser.add_argument("--revision", required=True)
    parser.add_argument("--source", required=True)
    parser.add_argument("--description", required=True)
    parser.add_argument("--ca", required=True)
    parser.add_argument("--license", required=True)
    parser.add_argument("--platform", action="append", required=True)
    given = parser.parse_args()

    time = int(os.environ["SOURCE_DATE_EPOCH"])
    created = datetime.datetime.fromtimestamp(time, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    labels = {
        "org.opencontainers.image.title": given.name,
        "org.opencontainers.image.description": given.description,
        "org.opencontainers.image.version": given.version,
        "org.opencontainers.image.revision": given.revision,
        "org.opencontainers.image.source": given.source,
        "org.opencontainers.image.documentation": f"{given.source}/blob/v{given.version}/docs/install.md",
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.created": created,
    }
    layout = Layout(given.layout)
    bundle = pathlib.Path(given.ca).read_bytes()
    if b"-----BEGIN CERTIFICATE-----" not in bundle:
        raise SystemExit(f"image.py: {given.ca} has no certificate")
    first = layer(base(bundle), time)
    manifests = []
    for platform in given.platform:
        architecture, programs = platform.split("=", 1)
        programs = [pathlib.Path(it) for it in programs.split(",")]
        entries = [(it.name, it.read_bytes(), 0o755, 0) for it in programs]
        entries.append(("LICENSE", pathlib.Path(given.license).read_bytes(), 0o644, 0))
        layers = [first, layer(entries, time)]
        config = {
            "architecture": architecture,
            "os": "linux",
            "created": created,
            "config": {
                "User": f"{USER}:{USER}",
                "Env": ["PATH=/"],
                "Entrypoint": [f"/{programs[0].name}"],
                "WorkingDir": "/work",
                "Labels": labels,
            },
            "rootfs": {
                "type": "layers",
                "diff_ids": [f"sha256:{hashlib.sha256(plain).hexdigest()}" for plain, _ in layers],
            },
            "history": [
                {"created": created, "created_by": "CA certificates"},
                {"created": created, "created_by": " ".join(it.name for it in programs)},
            ],
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": layout.document(config, CONFIG),
            "layers": [layout.blob(packed, LAYER) for _, packed in layers],
            "annotations": labels,
        }
        of = {"architecture": architecture, "os": "linux"}
        manifests.append(layout.document(manifest, MANIFEST, platform=of))
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests, "annotations": labels}
    tag = {"org.opencontainers.image.ref.name": given.version}
    top = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [layout.document(index, INDEX, annotations=tag)],
    }
    (layout.folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (layout.folder / "index.json").write_text(json.dumps(top, sort_keys=True))


main()

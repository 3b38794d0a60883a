"""A bucket of so many keys, listed in pages as S3 writes them, and one that takes every object."""

from __future__ import annotations

import argparse
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import parse_qs, urlsplit

PER_PAGE: Final = 1000
_HEAD: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>data</Name>'
    "<Prefix>landing/orders/</Prefix><EncodingType>url</EncodingType><MaxKeys>1000</MaxKeys>"
)
_ENTRY: Final = (
    "<Contents><Key>landing/orders/dt%3D2026-11-01/part-{0:07d}.csv.gz</Key>"
    "<LastModified>2026-11-01T06:30:{1:02d}.000Z</LastModified><ETag>&quot;{0:032x}&quot;</ETag>"
    "<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>"
    "<Size>{2}</Size><StorageClass>STANDARD</StorageClass></Contents>"
)


def page(first: int, keys: int) -> bytes:
    """The page that begins with this key, of so many keys in all."""
    end = min(first + PER_PAGE, keys)
    more = end < keys
    parts = [_HEAD, f"<KeyCount>{end - first}</KeyCount>"]
    parts.append(f"<IsTruncated>{str(more).lower()}</IsTruncated>")
    if more:
        parts.append(f"<NextContinuationToken>{end}</NextContinuationToken>")
    parts += [_ENTRY.format(key, key % 60, key * 37 % 1_000_000) for key in range(first, end)]
    return "".join([*parts, "</ListBucketResult>"]).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:  # noqa: N802 - as http.server names it
        url = urlsplit(self.path)
        keys = int(url.path.strip("/").removeprefix("keys-"))
        asked = parse_qs(url.query)
        body = page(int(asked.get("continuation-token", ["0"])[0]), keys)
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:  # noqa: N802 - as http.server names it
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, 1 << 20)))
        self.send_response(200)
        self.send_header("ETag", '"0"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def main() -> int:
    """Serve until the standard input is closed; prints the port."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Stand-ins for the zlib and lz4 headers that Verilator's FST writer includes, for machines without their
-dev packages.

Both write valid streams that are merely not compressed: an LZ4 block of literals, a zlib stream of stored
blocks. Any FST reader takes them; the file is some times larger.
"""

import subprocess
import tempfile
from pathlib import Path

__all__ = ["stand_ins"]

LZ4_HEADER = """\
#pragma once
#include <cstring>
static inline int LZ4_compressBound(int size) { return size + size / 255 + 16; }
static inline int LZ4_compress_default(const char* source, char* target, int size, int) {
    unsigned char* out = reinterpret_cast<unsigned char*>(target);
    *out++ = static_cast<unsigned char>((size < 15 ? size : 15) << 4);
    if (size >= 15) {
        int rest = size - 15;
        for (; rest >= 255; rest -= 255) *out++ = 255;
        *out++ = static_cast<unsigned char>(rest);
    }
    std::memcpy(out, source, size);
    return static_cast<int>(out - reinterpret_cast<unsigned char*>(target)) + size;
}
"""

ZLIB_HEADER = """\
#pragma once
#include <cstring>
typedef unsigned long uLong;
typedef unsigned long uLongf;
typedef unsigned char Bytef;
#define Z_OK 0
static inline uLong compressBound(uLong size) { return size + 5 * (size / 65535 + 1) + 16; }
static inline int compress2(Bytef* target, uLongf* bound, const Bytef* source, uLong size, int) {
    Bytef* out = target;
    *out++ = 0x78;
    *out++ = 0x01;
    uLong left = size, low = 1, high = 0;
    do {
        const unsigned block = left < 65535 ? static_cast<unsigned>(left) : 65535u;
        *out++ = left == block;
        *out++ = block & 255;
        *out++ = block >> 8;
        *out++ = ~block & 255;
        *out++ = (~block >> 8) & 255;
        std::memcpy(out, source, block);
        for (unsigned at = 0; at < block; ++at) {
            low = (low + source[at]) % 65521;
            high = (high + low) % 65521;
        }
        out += block;
        source += block;
        left -= block;
    } while (left);
    *out++ = high >> 8;
    *out++ = high & 255;
    *out++ = low >> 8;
    *out++ = low & 255;
    *bound = static_cast<uLongf>(out - target);
    return Z_OK;
}
"""

HEADERS = {"lz4": LZ4_HEADER, "z": ZLIB_HEADER}
FILES = {"lz4": "lz4.h", "z": "zlib.h"}


def stand_ins(directory: Path, environment: dict[str, str]) -> list[str]:
    """Verilator options that make FST tracing build here: none where both libraries are installed, else a
    folder under ``directory`` with the missing headers and empty libraries."""
    missing = [library for library in HEADERS if not _links(library, environment)]
    if not missing:
        return []
    folder = directory / "stand_ins"
    folder.mkdir(parents=True, exist_ok=True)
    for library in missing:
        (folder / FILES[library]).write_text(HEADERS[library])
        (folder / f"lib{library}.a").write_bytes(b"!<arch>\n")  # an archive with no members
    return ["-CFLAGS", f"-I{folder}", "-LDFLAGS", f"-L{folder}"]


def _links(library: str, environment: dict[str, str]) -> bool:
    with tempfile.TemporaryDirectory() as scratch:
        command = ["g++", "-x", "c++", "-", "-o", f"{scratch}/a.out", f"-l{library}"]
        source = f"#include <{FILES[library]}>\nint main() {{ return 0; }}\n"
        return (
            subprocess.run(
                command, input=source, text=True, env=environment, capture_output=True, check=False
            ).returncode
            == 0
        )

"""Which encoding a text file is in, and its bytes as UTF-8. What cannot be decoded stays invalid: that row is set aside."""

import codecs
import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import IO, Any

from veridical.core.errors import InputError

CHUNK_BYTES = 4 << 20
SAMPLE_LINES = 2000
"""Lines with characters beyond ASCII that the choice of an encoding looks at. Ours; no source."""
COMMON_HAN = frozenset(
    "的一是不了在人有我他这这個个们們中来來上大为為和国國地到以说說时時要就出会會可也你对對生能而子那得于着下自之年过過发發后後作里"
    "用道行所然家种種事成方多经經么麼去法学學如都同现現当當没沒动動面起看定天分还還进進好小部其些主样樣理心她本前开開但因只从從想实"
    "實很非常服务務房间間酒店买買书書错錯给給让讓最点點较較次无無东東西车車电電话話问問题題机機觉覺感价價"
)
"""Frequent characters, simplified and traditional: text decoded wrongly holds few of them. Ours; no source."""
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
MAGIC = {b"PK\x03\x04": "a zip or Excel file", b"%PDF": "a PDF", b"PAR1": "a Parquet file", b"\x89PNG": "an image"}
BELIEVED = (
    *("cp1251", "cp1253", "cp1255", "cp1256", "koi8_r", "iso8859_5", "iso8859_7"),
    *("shift_jis", "cp932", "euc_jp", "euc_kr", "cp949"),
)
"""What charset-normalizer is believed on; its other answers are rare look-alikes of cp1252. Ours; no source."""
CENTRAL_EUROPEAN = frozenset("ąćęłńśźżčďěňřťůőű")
UNDECODABLE = "veridical.undecodable"

codecs.register_error(UNDECODABLE, lambda error: ("\udcff", getattr(error, "end", 0)))


@dataclass(frozen=True, slots=True)
class Encoding:
    """codec: Python's name. announced: False for UTF-8, with or without its mark, which needs no warning."""

    codec: str
    announced: bool


UTF8 = Encoding("utf-8", announced=False)


def is_gzip(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked where it is gzip. Raises InputError when it cannot be read or unpacked."""
    try:
        with gzip.open(path, "rb") if is_gzip(path) else path.open("rb") as file:
            yield file  # type: ignore[misc]  # a GzipFile reads as IO[bytes] does, but is not declared so
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be unpacked ({error}); it must be a whole gzip file. Compress it again.") from error
    except PermissionError as error:
        raise InputError(f"{path} cannot be read: permission denied. Change its permissions or copy it.") from error


def encoding_of(path: Path) -> Encoding:
    """UTF-8 unless most rows beyond ASCII say otherwise. Raises InputError for an empty or a binary file."""
    with opened(path) as file:
        head = file.read(1 << 16)
        if not head.strip():
            raise InputError(f"{path} is empty; it must hold rows. Check the path or write the file again.")
        for mark, codec in BOMS:
            if head.startswith(mark):
                return Encoding(codec, announced=codec != "utf-8-sig")
        _refuse_binary(path, head)
        scan = _scan(head, file)
    if not scan.bad or not scan.foreign():
        return UTF8
    return Encoding(_foreign_codec(scan.bad), announced=True)


def _refuse_binary(path: Path, head: bytes) -> None:
    kind = next((name for magic, name in MAGIC.items() if head.startswith(magic)), None)
    if kind is None and head.count(b"\0") > max(len(head) // 1000, 3):
        kind = f"a binary file (its first {len(head):,} bytes hold {head.count(0):,} NUL bytes)"
    if kind:
        raise InputError(
            f"{path} is {kind}, not text; allowed: CSV, TSV, JSON, JSON lines (also .gz) and .parquet. Export it as one of these."
        )


@dataclass
class _Scan:
    lines: int
    bad: list[bytes]
    n_bad: int
    n_good: int

    def foreign(self) -> bool:
        """Is another encoding likelier than UTF-8 with damaged rows?"""
        if self.n_bad <= self.n_good or (self.n_bad == 1 and self.lines > 3):
            return False
        return self.n_bad * 20 >= self.lines or _like_cp1252(b"\n".join(self.bad))


def _scan(head: bytes, file: IO[bytes]) -> _Scan:
    """Count lines beyond ASCII that are UTF-8 and that are not; keep a sample of the latter."""
    scan, rest = _Scan(0, [], 0, 0), head
    while True:
        block = file.read(CHUNK_BYTES)
        whole, _, after = (rest + block).rpartition(b"\n") if block else (rest, b"\n", b"")
        scan.lines += whole.count(b"\n") + 1
        if not whole.isascii():
            _scan_lines(whole, scan)
        rest = after
        if not block:
            return scan


def _scan_lines(whole: bytes, scan: _Scan) -> None:
    if _decodes(whole, "utf-8"):
        scan.n_good += 1 if scan.n_good > SAMPLE_LINES else sum(not line.isascii() for line in whole.split(b"\n"))
        return
    for line in whole.split(b"\n"):
        if line.isascii():
            continue
        if _decodes(line, "utf-8"):
            scan.n_good += 1
        else:
            scan.n_bad += 1
            if len(scan.bad) < SAMPLE_LINES:
                scan.bad.append(line)


def _decodes(content: bytes, codec: str) -> bool:
    try:
        content.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def _like_cp1252(content: bytes) -> bool:
    return not any(byte in b"\xff\xfe" for byte in content) and _decodes(content, "cp1252")


def _foreign_codec(lines: list[bytes]) -> str:
    """The likeliest encoding of lines that are not UTF-8: Chinese by frequent characters, the rest by charset-normalizer."""
    by_score = sorted(((_share_common(lines, codec), codec) for codec in ("gb18030", "big5", "big5hkscs")), reverse=True)
    score, codec = by_score[0]
    if score >= 0.1:
        return "big5" if codec == "big5hkscs" and _share_common(lines, "big5") == score else codec
    sample = b"\n".join(lines)[: 1 << 15]
    from charset_normalizer import from_bytes

    best = from_bytes(sample).best()
    if best is not None and best.encoding == "cp1250" and len(CENTRAL_EUROPEAN & set(str(best))) >= 3:
        return "cp1250"
    if best is not None and best.encoding in BELIEVED:
        return best.encoding.replace("_", "-")
    return "cp1252" if _decodes(sample, "cp1252") else "latin-1"


def _share_common(lines: list[bytes], codec: str) -> float:
    """Share of the characters beyond ASCII that are frequent Chinese ones; 0 when over a tenth of the lines do not decode."""
    decoded = [line.decode(codec) for line in lines if _decodes(line, codec)]
    if len(decoded) * 10 < len(lines) * 9:
        return 0.0
    beyond = [character for line in decoded for character in line if not character.isascii()]
    return sum(character in COMMON_HAN for character in beyond) / max(len(beyond), 1)


class _Utf8(RawIOBase):
    """A file as UTF-8 bytes, decoded a chunk at a time; bytes that cannot be decoded become the byte 0xFF."""

    def __init__(self, file: IO[bytes], encoding: Encoding, tell: Callable[[int], None]) -> None:
        self._file, self._tell, self._done = file, tell, 0
        self._decoder = None if encoding == UTF8 else codecs.getincrementaldecoder(encoding.codec)(_handler(encoding))
        self._ready, self._ended = b"", False

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        while not self._ready and not self._ended:
            block = self._file.read(len(target))
            self._ended = not block
            self._done += len(block)
            self._tell(self._done)
            self._ready = self._utf8(block)
        n = min(len(target), len(self._ready))
        target[:n] = self._ready[:n]
        self._ready = self._ready[n:]
        return n

    def _utf8(self, block: bytes) -> bytes:
        if self._decoder is None:
            return block
        return self._decoder.decode(block, final=not block).encode("utf-8", "surrogateescape")


def _handler(encoding: Encoding) -> str:
    return "surrogateescape" if encoding.codec == "utf-8-sig" else UNDECODABLE


@contextmanager
def as_utf8(path: Path, encoding: Encoding, tell: Callable[[int], None] = lambda done: None) -> Iterator[BufferedReader]:
    """The file's bytes as UTF-8; `tell` hears how many bytes of it are read."""
    with opened(path) as file:
        yield BufferedReader(_Utf8(file, encoding, tell), 1 << 20)

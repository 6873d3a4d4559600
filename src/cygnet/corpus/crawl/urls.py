"""Web addresses: one spelling for each page, and the signs of a trap."""

import re
from collections import Counter
from collections.abc import Iterable
from fnmatch import fnmatchcase
from urllib.parse import quote, unquote_to_bytes, urljoin, urlsplit, urlunsplit

_PORTS = {"http": 80, "https": 443}
_UNSEEN = re.compile(r"[\t\n\r]|^[\x00-\x20]+|[\x00-\x20]+$")  # what browsers take out
_SAFE = "!$&'()*+,;=:@/~-._"
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")

_LONGEST = 2000  # characters; longer ones are made by programs that append to what they were asked for
_MOST_REPEATS = 3  # of one segment in a path: /a/b/a/b/a/b/a
_MOST_SEGMENTS = 40


def canonical(url: str, base: str = "") -> str | None:
    """The one spelling of `url`, which may be relative to `base`; None where it is no http or https address.

    Only what can't change the page: lower-case scheme and host (IDNA), no default port, no dot segments, no fragment,
    "/" for an empty path, escapes in capitals and only where needed (RFC 3986, sections 6.2.2 and 6.2.3).
    """
    try:
        parts = urlsplit(urljoin(base, _UNSEEN.sub("", url)))
        port = parts.port
        host = _ascii_host(parts.hostname or "")
    except (ValueError, UnicodeError):
        return None
    if parts.scheme not in _PORTS or not host or parts.username is not None or parts.password is not None:
        return None
    at = host if port in {None, _PORTS[parts.scheme]} else f"{host}:{port}"
    path = _without_dots(_escaped(parts.path, _SAFE)) or "/"
    return urlunsplit((parts.scheme, at, path, _escaped(parts.query, _SAFE + "?[]"), ""))


def authority(url: str) -> str:
    """Host, with its port where that isn't the usual one, of a canonical address."""
    return urlsplit(url).netloc


def origin(url: str) -> str:
    """Scheme and authority: what one robots.txt speaks for."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def without_query(url: str) -> str:
    """The address up to its query."""
    return url.partition("?")[0]


def excluded_by(url: str, globs: Iterable[str]) -> str | None:
    """The first glob that matches the whole of an address behind its host, path and query; None if none does."""
    parts = urlsplit(url)
    behind = parts.path + (f"?{parts.query}" if parts.query else "")
    return next((glob for glob in globs if fnmatchcase(behind, glob)), None)


def trap(url: str) -> str | None:
    """What in an address says that a program makes up ever longer ones; None for most."""
    if len(url) > _LONGEST:
        return f"its address has {len(url):,} characters"
    segments = [segment for segment in urlsplit(url).path.split("/") if segment]
    if len(segments) > _MOST_SEGMENTS:
        return f"its path has {len(segments)} segments"
    name, times = Counter(segments).most_common(1)[0] if segments else ("", 0)
    return f"its path repeats {name} {times} times" if times > _MOST_REPEATS else None


def _ascii_host(host: str) -> str:
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    host = host.lower().rstrip(".")
    if ":" in host:
        return f"[{host}]"
    return host if re.fullmatch(r"[a-z0-9._-]+", host) else ""


def _escaped(text: str, safe: str) -> str:
    """`text` with its escapes in capitals, those of unreserved characters undone, and all else escaped that must be."""
    parts = _ESCAPE.split(quote(text, safe=safe + "%"))  # text, two digits, text, …
    for at in range(1, len(parts), 2):
        byte = unquote_to_bytes(f"%{parts[at]}")[0]
        parts[at] = chr(byte) if byte in _UNRESERVED else f"%{byte:02X}"
    for at in range(0, len(parts), 2):
        parts[at] = parts[at].replace("%", "%25")  # a per cent sign that begins no escape
    return "".join(parts)


def _without_dots(path: str) -> str:
    """RFC 3986, section 5.2.4."""
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            if len(kept) > 1:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/".join(kept)

"""Reading a page from the web for a model: only from listed hosts, never from the network one is inside.

The address is looked up once, examined, and connected to: a name server that answers differently the second time (DNS
rebinding) gains nothing.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import SplitResult, urljoin, urlsplit

from pydantic import Field

from cygnet.errors import UserError
from cygnet.techniques.tools.tool import Tool, tool

_PORTS = {"http": 80, "https": 443}
_REDIRECTS = {301, 302, 303, 307, 308}
_MOST_REDIRECTS = 3
_TEXT = ("text/", "application/json", "application/xml", "application/xhtml+xml")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LOOKING_UP = 20.0  # seconds beyond a request's own, for the name server


@dataclass(frozen=True)
class Access:
    """Which hosts may be read, and how much.

    hosts: names or addresses, with a port where it isn't the usual one: "example.org", "127.0.0.1:8000". A name that
    leads to a private address is refused unless that address is listed too. seconds: for one request. size: bytes.
    """

    hosts: frozenset[str]
    seconds: float = 10.0
    size: int = 500_000

    def lists(self, *names: str) -> bool:
        """Whether one of these names of a host is on the list; capitals are the same as small letters."""
        return not {host.lower() for host in self.hosts}.isdisjoint(names)


def fetch(url: str, access: Access) -> str:
    """The text at an http or https address, by GET. Redirects are followed on the same host only.

    Raises:
        UserError: when the address isn't allowed, can't be reached, is not text, too large or too slow.
    """
    place = _allowed(url, access)
    for _ in range(_MOST_REDIRECTS + 1):
        found = _get(place, access)
        if isinstance(found, str):
            return found
        target = _allowed(found.location, access, place.geturl())
        if target.hostname != place.hostname or (place.scheme, target.scheme) == ("https", "http"):
            raise UserError(f"{place.geturl()} redirects to {target.geturl()}, another host or an unsafe one.")
        place = target
    raise UserError(f"{url} redirects more than {_MOST_REDIRECTS} times.")


def http_tool(hosts: Iterable[str], weakness: str = "", seconds: float = 10.0, size: int = 500_000) -> Tool:
    """`fetch` as a tool, for these hosts."""
    access = Access(frozenset(hosts), seconds, size)

    def fetch_page(url: Annotated[str, Field(description="begins with http:// or https://")]) -> str:
        """Read the text of a web page."""
        return fetch(url, access)

    whole = (_MOST_REDIRECTS + 1) * seconds + _LOOKING_UP
    return tool(fetch_page, weakness=weakness or f"You can only read {_listed(access)}.", seconds=whole)


@dataclass(frozen=True)
class _Redirect:
    location: str


def _allowed(url: str, access: Access, base: str = "") -> SplitResult:
    """The parts of an address, which may be relative to `base`, if its host is on the list."""
    try:
        place = urlsplit(urljoin(base, url))
        port = place.port
    except ValueError as error:
        raise UserError(f"{url!r} is not a web address: {error}.") from error
    if place.scheme not in _PORTS or not place.hostname or not url.isascii() or not url.isprintable() or " " in url:
        raise UserError(f"{url!r} is not a web address: it must be plain and begin with http:// or https://.")
    if place.username is not None:
        raise UserError(f"{url!r} has a user name in it, which is not allowed.")
    host = f"[{place.hostname}]" if ":" in place.hostname else place.hostname
    names = {f"{host}:{port or _PORTS[place.scheme]}"}
    if port in {None, _PORTS[place.scheme]}:
        names |= {host, place.hostname}
    if not access.lists(*names):
        raise UserError(f"{host}{f':{port}' if port else ''} is not on the list of hosts: {_listed(access)}.")
    return place


def _get(place: SplitResult, access: Access) -> str | _Redirect:
    late = threading.Event()
    try:
        with _connected(place, access, late) as connection:
            found = _ask(connection, place, access)
    except (OSError, http.client.HTTPException, ValueError) as error:
        slow = late.is_set() or isinstance(error, TimeoutError)  # the alarm, or the socket's own limit, if it was first
        why = f"it took longer than {access.seconds:g} s" if slow else f"{error}" or type(error).__name__
        raise UserError(f"{place.geturl()} could not be read: {why}.") from error
    if late.is_set():  # what came is only a part
        raise UserError(f"{place.geturl()} could not be read: it took longer than {access.seconds:g} s.")
    return found


@contextmanager
def _connected(place: SplitResult, access: Access, late: threading.Event) -> Iterator[http.client.HTTPConnection]:
    """A connection to the address that was examined, which breaks off, and sets `late`, when its time is up."""
    host, port = place.hostname or "", place.port or _PORTS[place.scheme]
    connection = http.client.HTTPConnection(host, port)
    wire = socket.create_connection((_address(host, port, access), port), access.seconds)
    if place.scheme == "https":
        context = ssl.create_default_context()
        wire = context.wrap_socket(wire, server_hostname=host, do_handshake_on_connect=False)
    alarm = threading.Timer(access.seconds, _hang_up, [wire, late])  # a socket's own limit begins anew at each byte
    alarm.daemon = True
    alarm.start()
    try:
        if isinstance(wire, ssl.SSLSocket):
            wire.do_handshake()
        connection.sock = wire
        yield connection
    finally:
        alarm.cancel()
        connection.close()
        wire.close()


def _ask(connection: http.client.HTTPConnection, place: SplitResult, access: Access) -> str | _Redirect:
    target = (place.path or "/") + (f"?{place.query}" if place.query else "")
    headers = {"User-Agent": "cygnet", "Accept": "text/*, application/json", "Accept-Encoding": "identity"}
    connection.request("GET", target, headers={**headers, "Connection": "close"})
    response = connection.getresponse()
    if response.status in _REDIRECTS and (location := response.getheader("Location")):
        return _Redirect(location)
    if response.status != 200:
        raise UserError(f"{place.geturl()} answered with status {response.status} {response.reason}.")
    kind = response.headers.get_content_type()
    if not kind.startswith(_TEXT):
        raise UserError(f"{place.geturl()} is {kind}, not text.")
    body = response.read(access.size + 1)
    if len(body) > access.size:
        raise UserError(f"{place.geturl()} is larger than {access.size} bytes.")
    if response.length:
        raise UserError(f"{place.geturl()} broke off {response.length} bytes before its end.")
    return _decode(body, response.headers.get_content_charset("utf-8"))


def _decode(body: bytes, charset: str) -> str:
    try:
        return body.decode(charset, errors="replace")
    except LookupError:  # a charset that Python doesn't know
        return body.decode(errors="replace")


def _address(host: str, port: int, access: Access) -> str:
    """The address to connect to: the first that the name has. All of them must be public, or on the list."""
    found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for address in found:
        if not _is_public(address) and not access.lists(address, f"{address}:{port}", f"[{address}]:{port}"):
            raise UserError(f"{host} leads to {address}, a private address that is not on the list of hosts.")
    return found[0]


def _is_public(address: str) -> bool:
    number = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(number, ipaddress.IPv6Address):
        if number in _NAT64:
            number = ipaddress.IPv4Address(int(number) & 0xFFFFFFFF)
        else:
            number = number.ipv4_mapped or number.sixtofour or number
    return number.is_global and not number.is_multicast


def _hang_up(wire: socket.socket, late: threading.Event) -> None:
    late.set()
    with suppress(OSError):
        socket.socket.shutdown(wire, socket.SHUT_RDWR)  # an SSLSocket's own would pull its state from under the reader


def _listed(access: Access) -> str:
    return ", ".join(sorted(access.hosts)) or "none"

"""Connections to public addresses only: looked up once, every answer examined, and just those connected to.

A name server that answers otherwise the second time (DNS rebinding) gains nothing, as there is no second time.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable

import httpcore

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class PrivateAddressError(Exception):
    """A host whose name leads into a private network."""


def is_public(address: str) -> bool:
    """Whether anyone in the internet could reach it: not private, loopback, link-local, multicast or reserved."""
    number = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(number, ipaddress.IPv6Address):
        inner = number.ipv4_mapped or number.sixtofour or (number.teredo[1] if number.teredo else None)
        if number in _NAT64:
            inner = ipaddress.IPv4Address(number.packed[-4:])
        if inner is not None:
            return is_public(str(inner))
    return number.is_global and not number.is_multicast


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects httpcore's pool to addresses that were examined."""

    def __init__(self, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Look `host` up, examine every address, and connect to the first that answers."""
        failed: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in await self._addresses(host, port):
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed

    async def _addresses(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"the name {host} could not be looked up: {error}") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        private = [address for address in addresses if not is_public(address)]
        if private and not self._allow_private:
            raise PrivateAddressError(f"{host} is {private[0]}, a private address: --allow-private lets it be asked")
        return addresses

    async def sleep(self, seconds: float) -> None:
        """As the protocol of backends wants it."""
        await asyncio.sleep(seconds)

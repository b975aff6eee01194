"""What one client may take of the server: deadlines, sizes, counts."""

from msgspec import Struct


class ServerLimits(Struct, frozen=True):
    """What one client may take of the server. Seconds and bytes; the numbers are those of FAULTS.md, section 3."""

    header_s: float = 10.0
    body_s: float = 30.0
    body_bytes_per_s: int = 100_000  # each of these earns a body one second more
    keep_alive_s: float = 75.0
    linger_s: float = 5.0  # how long a refused client may go on sending before the connection is dropped
    write_stall_s: float = 60.0
    header_bytes: int = 32 * 1024
    body_bytes: int = 20 * 1024 * 1024
    send_buffer_bytes: int = 128 * 1024  # SO_SNDBUF; Linux doubles it
    connections_max: int = 8192
    connections_per_ip: int = 4096
    pipelined_max: int = 100

    @property
    def sweep_s(self) -> float:
        """How often connections are looked at: a deadline is kept to within this."""
        return min(1.0, min(self.header_s, self.body_s, self.keep_alive_s, self.linger_s, self.write_stall_s) / 4)

"""Serial ports, by pyserial; what can go wrong with one is one line."""

import errno
import os
import time
from typing import Any, Protocol

from fermatnet.model.errors import InputError

__all__ = ["Port", "PortLost", "SerialPort"]


class PortLost(Exception):
    """The port went away: a plug was pulled."""


class Port(Protocol):
    """What `fermatnet.boards.host.board.Board` asks of a port."""

    def write(self, data: bytes) -> None:
        """Sends all of ``data``; `PortLost` where the port is gone."""

    def read(self, seconds: float) -> bytes:
        """What has come, after ``seconds`` at most; `PortLost` where the port is gone."""

    def reopen(self) -> bool:
        """Whether the port could be opened again."""

    def close(self) -> None:
        """Gives the port back."""


class SerialPort:
    """A serial port of the system: 8 data bits, no parity, one stop bit, no flow control.

    Raises InputError when pyserial is missing, and when the port is not there or not ours.
    """

    def __init__(self, name: str, baud: int):
        try:
            import serial
        except ImportError:
            raise InputError(
                "pyserial is not installed; get it with: pip install 'fermatnet[boards]'"
            ) from None
        self.name, self.baud, self._serial = name, baud, serial
        try:
            self._port = self._open()
        except (OSError, ValueError) as error:
            raise InputError(f"port {name} cannot be opened ({_reason(error)}); {self._others()}") from None

    def _open(self) -> Any:
        # 0: a read never waits longer than it was asked to; exclusive: two hosts would eat each other's
        # answers
        port = self._serial.Serial(self.name, self.baud, timeout=0, write_timeout=5, exclusive=True)
        port.reset_input_buffer()
        return port

    @staticmethod
    def _others() -> str:
        from serial.tools.list_ports import comports

        names = [port.device for port in comports()]
        return f"here are: {', '.join(names)}" if names else "there is no serial port on this machine"

    def write(self, data: bytes) -> None:
        """Sends all of ``data``; `PortLost` where the port is gone."""
        try:
            self._port.write(data)
        except (OSError, TypeError) as error:
            raise PortLost(str(error)) from None

    def read(self, seconds: float) -> bytes:
        """What has come, waiting up to ``seconds`` for the first byte; `PortLost` where the port is gone."""
        try:
            self._port.timeout = max(0.0, seconds)
            first = self._port.read(1)
            return first + self._port.read(self._port.in_waiting) if first else b""
        except (OSError, TypeError) as error:
            raise PortLost(str(error)) from None

    def reopen(self) -> bool:
        """Closes the port and tries to open it again; whether that went well, after a short wait if not."""
        self.close()
        try:
            self._port = self._open()
        except (OSError, ValueError):
            time.sleep(0.2)
            return False
        return True

    def close(self) -> None:
        """Closes the port; one that is gone already is closed."""
        try:
            self._port.close()
        except OSError:  # gone already
            return


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    # what tcgetattr says of a file, of which pyserial gives the text only
    return "it is no serial port" if f"({errno.ENOTTY}, " in str(error) else str(error)

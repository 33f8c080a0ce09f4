"""What a plain program does with pymodbus: PORT COUNT REGISTERS. Each record is written out of force, read back and put in force, one request after the other. Prints
the milliseconds that it took."""

import sys
import time

from pymodbus.client import ModbusTcpClient

port, count, registers = (int(text) for text in sys.argv[1:4])
client = ModbusTcpClient("127.0.0.1", port=port)
if not client.connect():
    sys.exit("no connection")
started = time.monotonic()
for n in range(count):
    at = 1000 + n * registers
    record = [(n + i) & 0xFFFE if i == 0 else (n + i) & 0xFFFF for i in range(registers)]
    if client.write_registers(at, record, slave=1).isError():
        sys.exit("a write was refused")
    if client.read_holding_registers(at, registers, slave=1).registers != record:
        sys.exit("the far end holds something else")
    if client.write_registers(at, [record[0] | 1], slave=1).isError():
        sys.exit("a record was not put in force")
print((time.monotonic() - started) * 1000)

"""A Modbus server on pymodbus: rtu DEVICE | tcp PORT | rtu-over-tcp PORT, and what was before. Plain memory, and the strikes of the reference map, as a PLC has them.

Says "ready" once it serves, and "coil N on" or "off" whenever a strike moves. Lines on standard input are what happens at the device: "set di 2 1" changes an input,
"get hr 1000 10" asks for memory and is answered "hr 1000: 1 2 3 …". Further arguments are such lines, of what happened before it serves; "late" among them: a strike
follows two scans after its coil was first looked at, of which is said "coil N looked at".
"""

import asyncio
import sys

from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.server.async_io import ModbusSerialServer, ModbusTcpServer
from pymodbus.transaction import ModbusRtuFramer, ModbusSocketFramer

SCAN_S = 0.02
SCANS_PER_TENTH = 5
STRIKES = {0: 16, 1: 17}
LATE_SCANS = 2


def say(text):
    print(text, flush=True)


class Written(ModbusSequentialDataBlock):
    """Memory that tells when it was written."""

    def __init__(self, values, written):
        super().__init__(0, values)
        self.written = written

    def setValues(self, address, values):
        super().setValues(address, values)
        self.written()


class Read(ModbusSequentialDataBlock):
    """Memory that tells when it was read, and where."""

    def __init__(self, values, read):
        super().__init__(0, values)
        self.read = read

    def getValues(self, address, count=1):
        values = super().getValues(address, count)
        self.read(range(address, address + count))
        return values


class Plc:
    def __init__(self):
        self.is_late = False
        # Strikes that are to follow: None until somebody looks, then the scans that are left.
        self.due = {}
        self.scans = {}
        holding = [0] * 65536
        holding[0:3] = [0x4C4E, 0x0201, 1]
        self.areas = {
            "co": Read([0] * 256, self.looked_at),
            "di": ModbusSequentialDataBlock(0, [0] * 256),
            "hr": Written(holding, self.start_strikes),
            "ir": ModbusSequentialDataBlock(0, [0] * 1000),
        }

    def context(self):
        unit = ModbusSlaveContext(**self.areas, zero_mode=True)
        return ModbusServerContext(slaves={0: unit, 1: unit, 255: unit}, single=False)

    def heard(self, line):
        if line.strip() == "late":
            self.is_late = True
            return
        verb, area, at, value = line.split()
        block = self.areas[area]
        if verb == "set":
            block.setValues(int(at), [int(value)])
        else:
            say(f"{area} {at}: " + " ".join(str(int(one)) for one in block.getValues(int(at), int(value))))

    def start_strikes(self):
        """A register that is not 0 holds its coil, from the moment in which it is written."""
        for coil, register in STRIKES.items():
            if coil in self.scans or coil in self.due or self.areas["hr"].values[register] == 0:
                continue
            if self.is_late:
                self.due[coil] = None
            else:
                self.start(coil)

    def start(self, coil):
        self.scans[coil] = 0
        self.drive(coil, True)

    def looked_at(self, coils):
        for coil in coils:
            if coil in self.due and self.due[coil] is None:
                self.due[coil] = LATE_SCANS
                say(f"coil {coil} looked at")

    def scan(self):
        """What holds a coil counts down in tenths of a second."""
        for coil, left in list(self.due.items()):
            if left == 0:
                del self.due[coil]
                self.start(coil)
            elif left is not None:
                self.due[coil] = left - 1
        for coil in list(self.scans):
            left = self.areas["hr"].values[STRIKES[coil]]
            self.scans[coil] += 1
            if left == 0:
                del self.scans[coil]
                self.drive(coil, False)
            elif self.scans[coil] % SCANS_PER_TENTH == 0:
                self.areas["hr"].setValues(STRIKES[coil], [left - 1])

    def drive(self, coil, on):
        self.areas["co"].setValues(coil, [1 if on else 0])
        say(f"coil {coil} {'on' if on else 'off'}")


async def main(kind, where, before):
    plc = Plc()
    for line in before:
        plc.heard(line)
    if kind == "rtu":
        server = ModbusSerialServer(plc.context(), framer=ModbusRtuFramer, port=where, baudrate=115200, timeout=0.005)
        await server.start()
    else:
        framer = ModbusSocketFramer if kind == "tcp" else ModbusRtuFramer
        # One that was killed leaves connections behind that keep its port for a minute.
        address = ("127.0.0.1", int(where))
        server = ModbusTcpServer(plc.context(), framer=framer, address=address, allow_reuse_address=True)
    serving = asyncio.ensure_future(server.serve_forever())

    async def scan():
        while True:
            plc.scan()
            await asyncio.sleep(SCAN_S)

    async def listen():
        while line := await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):
            plc.heard(line)

    await asyncio.sleep(0.2)
    if serving.done():
        serving.result()
    say("ready")
    await asyncio.gather(serving, scan(), listen())


asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
